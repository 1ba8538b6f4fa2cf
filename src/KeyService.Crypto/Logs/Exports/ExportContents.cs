namespace KeyService.Crypto.Logs;

/// <summary>The files of an export while it is verified: which of them belong there, and what was found.</summary>
internal sealed class ExportContents(ExportFiles files)
{
    private readonly List<string> _paths = [.. files.List()];
    private readonly HashSet<string> _known = [];
    private readonly List<string> _unread = [];
    private readonly List<ExportFinding> _findings = [];

    /// <summary>The first findings; more of them say nothing new.</summary>
    public IReadOnlyList<ExportFinding> Findings => _findings;

    public bool Full => _findings.Count >= ExportReport.MaxFindings;

    /// <summary>Number of files.</summary>
    public long Count => _paths.Count;

    /// <summary>Reads a file that may be there.</summary>
    public byte[]? Read(string path) => files.Read(path);

    /// <summary>Says that a file may be there.</summary>
    public void Know(string path) => _known.Add(path);

    /// <summary>Says that nobody knows what should be in a folder.</summary>
    public void LeaveUnread(string folder) => _unread.Add(folder + "/");

    public void Add(ExportFault fault, string place, long? sequence, string text)
    {
        if (!Full)
        {
            _findings.Add(new ExportFinding(fault, place, sequence, text));
        }
    }

    /// <summary>Finds the files that nothing asked for.</summary>
    public void FindUnexpected()
    {
        foreach (string path in _paths.Where(path => !_known.Contains(path) && !_unread.Exists(folder => path.StartsWith(folder, StringComparison.Ordinal))).Order(StringComparer.Ordinal))
        {
            Add(ExportFault.Unexpected, path, null, "the file does not belong to this export");
        }
    }
}
