using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Output;

/// <summary>Errors on stderr: a sentence that says what happened and one that says what to do; never a stack trace.</summary>
internal sealed class ErrorReport(bool json)
{
    private const string DebugVariable = "KEYSERVICE_DEBUG";

    /// <summary>Writes the error and answers its exit code.</summary>
    /// <param name="exception">What went wrong.</param>
    /// <param name="file">The file it went wrong with, where a command works on several.</param>
    public int Write(Exception exception, string? file = null)
    {
        var failure = Failure.Of(exception);
        using var error = Console.OpenStandardError();
        try
        {
            error.Write(json ? Json(failure, file) : Text(failure, file));
            if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
            {
                error.Write(System.Text.Encoding.UTF8.GetBytes($"{exception}\n"));
            }
        }
        catch (IOException)
        {
            // Nobody reads stderr: the exit code still says it.
        }
        return failure.ExitCode;
    }

    private static byte[] Json(Failure failure, string? file)
    {
        var error = new Record
        {
            ["reason"] = failure.Reason,
            ["message"] = failure.Message,
            ["advice"] = failure.Advice,
            ["exit_code"] = failure.ExitCode,
            ["trace_id"] = failure.TraceId,
        };
        if (file is not null)
        {
            error["file"] = file;
        }
        return JsonLines.Line(new Record { ["error"] = error });
    }

    private static byte[] Text(Failure failure, string? file)
    {
        var subject = file is null ? "" : Terminal.Printable(file) + ": ";
        // A terminal shows ^C in the line that is being drawn.
        var start = failure.ExitCode == ExitCode.Interrupted && Terminal.IsError ? "\r" : "";
        var trace = failure.TraceId is null ? "" : $" (trace {failure.TraceId})";
        return System.Text.Encoding.UTF8.GetBytes(
            $"{start}keyservice: {subject}{Sentence(failure.Message)}{trace}\n  {Sentence(failure.Advice)}\n");
    }

    private static string Sentence(string text)
    {
        text = Terminal.Printable(text.ReplaceLineEndings(" ").Trim());
        return text.Length > 0 && text[^1] is not ('.' or '?' or '!') && !text.EndsWith("--help", StringComparison.Ordinal) ? text + "." : text;
    }
}
