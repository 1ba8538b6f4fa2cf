using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// The rows of one bucket: what the log had said of them before the tables were read, what it said by the time they had been read, and how they stood.
/// A row that changed while the tables were read may stand as before or as after.
/// </summary>
internal sealed class RowComparison(bool hasBegun, IReadOnlySet<string> tables)
{
    private readonly Dictionary<(string Table, string RowId), Known> _known = [];

    /// <summary>What the log had said before the tables were read; the highest revision counts, whichever slot it stands in.</summary>
    public void Before(RowChange change)
    {
        var known = At(change);
        if (known.Last is null || change.Revision >= known.Last.Revision)
        {
            known.Last = change;
        }
    }

    /// <summary>What it said since.</summary>
    public void Since(RowChange change) => (At(change).Since ??= []).Add(change);

    /// <summary>A row as it stands; what is wrong with it, null when nothing is.</summary>
    public string? Stands(RowChange row)
    {
        if (!_known.TryGetValue((row.Table, row.RowId), out var known))
        {
            return hasBegun ? "the log never saw it: it was put there outside the service" : null;
        }

        known.Stands = true;
        if (known.Since?.Exists(change => IsSame(change, row)) == true || known.Last is { } last && IsSame(last, row))
        {
            return null;
        }

        var newest = known.Newest;
        return newest.IsRemoval ? $"the service removed it at revision {newest.Revision} and it stands there again"
            : row.Revision < newest.Revision ? $"it stands at revision {row.Revision} and the log knows revision {newest.Revision}: it was put back"
            : row.Revision > newest.Revision ? $"it stands at revision {row.Revision}, which no change of the service made; the log knows {newest.Revision}"
            : $"at revision {row.Revision} it is not what the service wrote";
    }

    /// <summary>After all rows: those that should stand and do not.</summary>
    public IEnumerable<RowChange> Missing() => _known.Values
        .Where(known => !known.Stands && known.Last is { IsRemoval: false } && known.Since?.Exists(change => change.IsRemoval) != true
            && tables.Contains(known.Last.Table))
        .Select(known => known.Last!);

    /// <summary>The last thing that the log says of each row.</summary>
    public IEnumerable<RowChange> Newest() => _known.Values.Select(known => known.Newest);

    private static bool IsSame(RowChange change, RowChange row) =>
        change.Revision == row.Revision && change.Digest.AsSpan().SequenceEqual(row.Digest);

    private Known At(RowChange change)
    {
        if (!_known.TryGetValue((change.Table, change.RowId), out var known))
        {
            _known[(change.Table, change.RowId)] = known = new Known();
        }

        return known;
    }

    private sealed class Known
    {
        public RowChange? Last { get; set; }

        public List<RowChange>? Since { get; set; }

        public bool Stands { get; set; }

        public RowChange Newest => (Since ?? []).Append(Last).OfType<RowChange>().MaxBy(change => change.Revision)!;
    }
}
