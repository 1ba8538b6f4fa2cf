namespace HsmSim.Control;

/// <summary>What the simulator has to say goes to the file HSMSIM_LOG, or to stderr. Never throws: who calls is C.</summary>
internal static class Log
{
    private static readonly Lock Turn = new();

    internal static void Write(string message)
    {
        try
        {
            lock (Turn)
            {
                if (Native.Environment("HSMSIM_LOG") is { } path)
                {
                    File.AppendAllText(path, $"hsmsim: {message}\n");
                }
                else
                {
                    Console.Error.WriteLine($"hsmsim: {message}");
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A log that cannot be written must not fail the call.
        }
    }
}
