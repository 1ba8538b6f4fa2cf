namespace KeyService.Cli.Files;

/// <summary>Temporary files that must not outlive the process, whatever ends it.</summary>
internal static class TemporaryFiles
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<string> Paths = [];
    private static bool closed;

    public static void Add(string path)
    {
        lock (Gate)
        {
            Paths.Add(path);
        }
    }

    /// <summary>Runs what gives the file its final name; after <see cref="RemoveAll"/> it is refused, so that nothing appears late.</summary>
    public static void Publish(string path, Action rename)
    {
        lock (Gate)
        {
            if (closed)
            {
                throw new OperationCanceledException("Interrupted before the file was whole.");
            }
            rename();
            Paths.Remove(path);
        }
    }

    public static void Remove(string path)
    {
        lock (Gate)
        {
            if (Paths.Remove(path))
            {
                File.Delete(path);
            }
        }
    }

    /// <summary>Removes what is left. From here on nothing is published.</summary>
    public static void RemoveAll()
    {
        lock (Gate)
        {
            closed = true;
            foreach (var path in Paths)
            {
                try
                {
                    File.Delete(path);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // The others are removed all the same.
                }
            }
            Paths.Clear();
        }
    }
}
