using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>
/// Compares every deciding row with what the log says the service wrote (ADR 0195): a row that is missing, older than the log knows, other than it
/// was written, or that no change ever wrote. Works beside the running service, in pages, with the rows spread over files in
/// <paramref name="directory"/>: about 200 bytes of disk a row while it runs and 80 afterwards.
/// </summary>
/// <param name="tables">What is compared.</param>
/// <param name="directory">The scrub's own; made when it is missing.</param>
internal sealed class Scrub(IStore store, RowAuthenticator rows, IReadOnlyList<DecidingTable> tables, string directory, TimeProvider time)
{
    /// <summary>Findings that are told one by one; all are counted.</summary>
    public const int MaxFindings = 100;

    private const string WorkPrefix = "work-";
    private const string LookPrefix = "look-";

    private readonly HashSet<string> _tableNames = tables.Select(table => table.Name).ToHashSet(StringComparer.Ordinal);

    /// <param name="keep">Whether what was read of the log is kept for the next scrub.</param>
    /// <param name="anew">Whether the whole log is read, also where an earlier scrub had read it.</param>
    /// <exception cref="StoreUnavailableException">The store cannot be read now.</exception>
    /// <exception cref="IOException">The directory cannot be written, or its disk is full.</exception>
    public async Task<ScrubReport> RunAsync(bool keep, CancellationToken cancellationToken, bool anew = false)
    {
        var started = time.GetTimestamp();
        var work = MakeWorkDirectory(keep);
        try
        {
            return await RunAsync(work, keep, anew, started, cancellationToken);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private async Task<ScrubReport> RunAsync(string work, bool keep, bool anew, long started, CancellationToken cancellationToken)
    {
        var account = anew ? RowAccount.Empty(directory) : await RowAccount.ReadAsync(directory, rows, cancellationToken);
        using var before = new RowBuckets(work, "before");
        using var since = new RowBuckets(work, "since");
        using var standing = new RowBuckets(work, "rows");

        // What the log says now must stand in the tables when they are read after this; what comes while they are read may.
        var reached = await ReadEndsAsync(cancellationToken);
        foreach (var table in tables)
        {
            await ReadTableAsync(table, standing, cancellationToken);
        }

        var begun = account.HasBegun;
        var logs = new List<AuditReport>();
        var positions = new List<LogPosition>();
        var records = 0L;
        foreach (var slot in (await AuditLog.ReadSlotsAsync(store, cancellationToken)).Union(account.Positions.Select(known => known.Slot)).Order())
        {
            var end = reached.GetValueOrDefault(slot, -1);
            var known = account.Positions.FirstOrDefault(each => each.Slot == slot)?.Frontier;
            var verification = new AuditVerification(new AuditLog(store, slot), store, rows, known);
            logs.Add(await verification.RunAsync(cancellationToken, (sequence, record) =>
            {
                begun |= StoreAccount.Begins(record);
                foreach (var change in record.Changes)
                {
                    (sequence <= end ? before : since).Add(new RowChange(change.Table, change.RowId, change.Revision, change.Digest.ToArray()));
                }
            }));
            positions.Add(new LogPosition(slot, verification.Seen));
            records += verification.Seen.Size - (known?.Size ?? 0);
        }

        before.Close();
        since.Close();
        standing.Close();
        using var next = new RowBuckets(work, "next");
        var (count, findings) = Compare(begun, account.Rows, before, since, standing, next);
        next.Close();
        var report = new ScrubReport(standing.Added, records, begun, count, findings, logs, time.GetElapsedTime(started));

        // A log that was tampered with is read from its beginning again, until it is mended.
        if (keep && logs.TrueForAll(log => log.Findings.Count == 0))
        {
            await RowAccount.ReplaceAsync(directory, next, positions, begun, rows, cancellationToken);
        }

        return report;
    }

    private (long Count, IReadOnlyList<ScrubFinding> Findings) Compare(
        bool begun, RowBuckets account, RowBuckets before, RowBuckets since, RowBuckets standing, RowBuckets next)
    {
        var count = 0L;
        var findings = new List<ScrubFinding>();
        void Found(RowChange row, string finding)
        {
            if (++count <= MaxFindings)
            {
                findings.Add(new ScrubFinding(row.Table, row.RowId, finding));
            }
        }

        for (var bucket = 0; bucket < RowBuckets.Count; bucket++)
        {
            var comparison = new RowComparison(begun, _tableNames);
            foreach (var change in account.Read(bucket).Concat(before.Read(bucket)))
            {
                comparison.Before(change);
            }

            foreach (var change in since.Read(bucket))
            {
                comparison.Since(change);
            }

            foreach (var row in standing.Read(bucket))
            {
                if (comparison.Stands(row) is { } finding)
                {
                    Found(row, finding);
                }
            }

            foreach (var row in comparison.Missing())
            {
                Found(row, "the row is missing");
            }

            foreach (var change in comparison.Newest())
            {
                next.Add(bucket, change);
            }
        }

        return (count, findings);
    }

    private async Task<Dictionary<int, long>> ReadEndsAsync(CancellationToken cancellationToken)
    {
        var ends = new Dictionary<int, long>();
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            ends[slot] = await new AuditLog(store, slot).ReadLastSequenceAsync(cancellationToken);
        }

        return ends;
    }

    private async Task ReadTableAsync(DecidingTable table, RowBuckets standing, CancellationToken cancellationToken)
    {
        var pages = table.Read();
        while (true)
        {
            var page = await store.ReadAsync(connection => pages.NextAsync(connection, transaction: null), cancellationToken);
            if (page.Count == 0)
            {
                return;
            }

            foreach (var row in page)
            {
                standing.Add(new RowChange(table.Name, row.RowId, row.Revision, SHA256.HashData(row.Canonical)));
            }
        }
    }

    private string MakeWorkDirectory(bool keep)
    {
        MakePrivate(directory);
        if (keep)
        {
            // Only one scrub of this server keeps what it read; what a killed one left is of no use.
            foreach (var left in Directory.EnumerateDirectories(directory, WorkPrefix + "*"))
            {
                Directory.Delete(left, recursive: true);
            }
        }

        return MakePrivate(Path.Combine(directory, (keep ? WorkPrefix : LookPrefix) + RandomNumberGenerator.GetHexString(12, lowercase: true)));
    }

    private static string MakePrivate(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("The scrub's files need Unix permissions.");
        }

        return Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
    }
}
