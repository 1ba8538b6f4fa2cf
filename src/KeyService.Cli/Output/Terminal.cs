namespace KeyService.Cli.Output;

/// <summary>Whether a person watches.</summary>
internal static class Terminal
{
    public static bool IsOutput { get; } = !Console.IsOutputRedirected;

    public static bool IsError { get; } = !Console.IsErrorRedirected;

    /// <summary>
    /// Text for a terminal or a log: control characters, which could move the cursor or colour the screen, are shown as
    /// \xNN. Names and context values come from files and from other people.
    /// </summary>
    public static string Printable(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f'))
        {
            return text;
        }
        return string.Concat(text.Select(c => char.IsControl(c) ? $"\\x{(int)c:x2}" : c.ToString()));
    }
}
