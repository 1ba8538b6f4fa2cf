using System.Data.Common;
using Dapper;
using KeyService.Crypto;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit.Sinks;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Trust;
using Npgsql;
using AuditRecord = KeyService.Crypto.AuditRecord;

namespace KeyService.Server.Audit.Retention;

/// <summary>
/// Keeps the log for as long as it must be kept, and lets go of it afterwards: a month that is over is taken out into a file by whoever makes it
/// (<c>keyservice audit archive</c>) and registered here with where the tree stood at its end; after the years of retention its records may be
/// deleted, oldest month first, and what follows verifies on from there (docs/spec/store.md, ADR 0261).
/// </summary>
internal sealed class AuditRetention(
    IStore store, RowAuthenticator rows, StoreAccount account, ClockGuard clock, RetentionConfiguration configuration, TimeProvider time,
    SinksConfiguration? sinks = null)
{
    /// <summary>Records that one commit deletes, where they are deleted one by one.</summary>
    private const int RecordsAtOnce = 10_000;

    /// <summary>How long after its end a month is over for certain: its last records are signed.</summary>
    public static readonly TimeSpan Settling = TimeSpan.FromHours(1);

    /// <summary>Where the log of a slot begins: the tree of the records that were deleted; empty when none were.</summary>
    /// <exception cref="StoreTamperedException">What says so was changed outside the service.</exception>
    public static async Task<MerkleFrontier> ReadStartAsync(DbConnection connection, RowAuthenticator rows, int slot, CancellationToken cancellationToken) =>
        (await AuditArchive.ReadLastDeletedAsync(connection, rows, slot, cancellationToken))?.Frontier ?? new MerkleFrontier();

    /// <summary>Number of the first record of a slot that is still there.</summary>
    /// <exception cref="StoreTamperedException">What says so was changed outside the service.</exception>
    public async Task<long> ReadStartAsync(int slot, CancellationToken cancellationToken) => (await ReadStartTreeAsync(slot, cancellationToken)).Size;

    /// <summary>The tree of the records of a slot that are there no longer.</summary>
    /// <exception cref="StoreTamperedException">What says so was changed outside the service.</exception>
    public Task<MerkleFrontier> ReadStartTreeAsync(int slot, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => ReadStartAsync(connection, rows, slot, cancellationToken), cancellationToken);

    public Task<List<AuditArchive>> ListAsync(CancellationToken cancellationToken) =>
        store.ReadAsync(connection => AuditArchive.ReadAllAsync(connection, null, rows, cancellationToken), cancellationToken);

    /// <summary>The first month that is over and has records in no archive; null when there is none.</summary>
    public async Task<AuditMonth?> NextAsync(IReadOnlyList<AuditArchive> known, CancellationToken cancellationToken)
    {
        AuditMonth? next = null;
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            var first = known.LastOrDefault(archive => archive.Slot == slot)?.Past ?? 0;
            if ((await new AuditLog(store, slot).ReadAsync(first, first, cancellationToken)).FirstOrDefault() is { } entry)
            {
                var month = AuditMonth.Of(UnixTime.FromNanoseconds(Parse(entry, slot, first).TimeUnixNanoseconds));
                next = month.End + Settling <= time.GetUtcNow() && (next is not { } earlier || month.CompareTo(earlier) < 0) ? month : next;
            }
        }

        return next;
    }

    /// <summary>What of a month is to be registered: for each slot with records in it the part and the tree up to its end.</summary>
    /// <exception cref="Refusal">INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS: it is not over, there is nothing of it, it stands, an earlier one does not, or the
    /// export ends too early.</exception>
    public async Task<IReadOnlyList<AuditArchive>> PrepareAsync(AuditMonth month, ArchiveFile file, string by, CancellationToken cancellationToken)
    {
        if (time.GetUtcNow() < month.End + Settling)
        {
            throw Refusal.InvalidArgument("month", $"{month} is over on {month.End:yyyy-MM-dd}; archive it an hour later");
        }

        var known = await ListAsync(cancellationToken);
        if (known.Exists(archive => archive.Month == month))
        {
            throw Refusal.AlreadyExists($"An archive of {month}");
        }

        if (known.Exists(archive => archive.Month.CompareTo(month) > 0))
        {
            throw Refusal.InvalidArgument("month", $"archives of later months are registered, and none of {month}: it has no records");
        }

        var parts = new List<AuditArchive>();
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellationToken))
        {
            var before = known.FindLast(archive => archive.Slot == slot)?.Frontier ?? new MerkleFrontier();
            var log = new AuditLog(store, slot);
            var past = await FindPastAsync(log, before.Size, month.End, cancellationToken);
            if (past == before.Size)
            {
                continue;
            }

            if (await FindPastAsync(log, before.Size, month.Begin, cancellationToken) is var earlier && earlier > before.Size)
            {
                var entry = Parse((await log.ReadAsync(before.Size, before.Size, cancellationToken)).FirstOrDefault(), slot, before.Size);
                throw Refusal.InvalidArgument("month", $"months are archived in their order: {AuditMonth.Of(UnixTime.FromNanoseconds(entry.TimeUnixNanoseconds))} is next");
            }

            await DemandSignedAsync(slot, past, file.DirectorySize, cancellationToken);
            parts.Add(new AuditArchive(
                month, slot, before.Size, await log.ExtendAsync(before, past - 1, cancellationToken), file, time.GetUtcNow(), by, null, null, 1));
        }

        return parts.Count > 0 ? parts : throw Refusal.NotFound($"A record of {month}");
    }

    /// <summary>The archives whose records may go: those of this month and of every earlier one whose records are still here.</summary>
    /// <exception cref="Refusal">RECORDS_RETAINED, NOT_FOUND, CLOCK_SET_BACK.</exception>
    public async Task<IReadOnlyList<AuditArchive>> DeletableAsync(AuditMonth month, CancellationToken cancellationToken)
    {
        var until = month.End.AddYears(configuration.Years);
        if (time.GetUtcNow() < until)
        {
            throw new Refusal(Reason.RecordsRetained, $"Records of {month} are kept until {until:yyyy-MM-dd}, {configuration.Years} years.");
        }

        // Time alone decides: a clock that is not to be trusted decides nothing.
        if (clock.Behind > TimeSpan.Zero || clock.PaceOfBacklog)
        {
            throw new Refusal(Reason.RecordsRetained, "The clock was set back or jumped forward. Nothing is deleted until it has been right for a day; keyservice store status says how it stands.");
        }

        var archives = await ListAsync(cancellationToken);
        if (!archives.Exists(archive => archive.Month == month))
        {
            throw new Refusal(Reason.NotFound, $"{month} stands in no archive, and nothing is deleted that does not.");
        }

        var deletable = archives.FindAll(archive => archive.Month.CompareTo(month) <= 0);
        foreach (var sink in sinks?.All ?? [])
        {
            var row = await store.ReadAsync(connection => SinkRow.ReadAsync(connection, rows, sink.Name, cancellationToken), cancellationToken);
            if (deletable.Exists(archive => archive.DeleteTime is null && row.Next.GetValueOrDefault(archive.Slot) < archive.Past))
            {
                throw new Refusal(Reason.RecordsRetained, $"The sink {sink.Name} lacks records of {month} or earlier, and this log is where it would get them from. See keyservice audit sinks.");
            }
        }

        return deletable;
    }

    /// <summary>Puts every deciding row on record anew, so that the log knows them all without the records that go.</summary>
    public Task<long> TakeAccountAsync(CancellationToken cancellationToken) => account.TakeAsync(cancellationToken);

    /// <summary>Deletes what is marked as deleted, and was not yet: also what a server that died left.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var archive in (await ListAsync(cancellationToken)).Where(archive => archive.DeleteTime is not null))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!await StandsAsync(archive, cancellationToken))
            {
                continue;
            }

            for (var done = false; !done;)
            {
                var record = new AuditRecordDraft(AuditEvent.AuditRecordsRemoved) { Automated = true };
                await store.CommitAsync(
                    record,
                    async transaction =>
                    {
                        if (await HasUnarchivedAsync(transaction, archive))
                        {
                            done = true;
                            record.Outcome = AuditOutcome.Failed;
                            record.Detail = $"{archive.Month}: kept, for a record of that month was made after it had been archived";
                            return;
                        }

                        done = await RemoveAsync(transaction, archive);
                        record.Detail = done ? $"{archive.Month}, slot {archive.Slot}: removed up to record {archive.Past - 1}" : $"{archive.Month}, slot {archive.Slot}: a part removed";
                    },
                    CancellationToken.None);
            }
        }
    }

    private Task<bool> StandsAsync(AuditArchive archive, CancellationToken cancellationToken) => store.ReadAsync(
        connection => connection.ExecuteScalarAsync<bool>(
            connection is NpgsqlConnection
                ? "SELECT to_regclass('audit_records_' || to_char(TIMESTAMP '1970-01-01' + @at / 1000 * INTERVAL '1 microsecond', 'YYYY_MM')) IS NOT NULL"
                : "SELECT EXISTS (SELECT 1 FROM audit_records WHERE slot = @slot AND sequence < @past)",
            new { at = UnixTime.Nanoseconds(archive.Month.Begin), slot = (long)archive.Slot, past = archive.Past }),
        cancellationToken);

    // A clock that was set back makes records of a month that was over. PostgreSQL could drop them only together with the rest, and would not.
    private static async Task<bool> HasUnarchivedAsync(IStoreTransaction transaction, AuditArchive archive) =>
        transaction.Connection is NpgsqlConnection && await transaction.Connection.ExecuteScalarAsync<bool>(
            """
            SELECT EXISTS (SELECT 1 FROM audit_heads h WHERE
                (SELECT max(sequence) FROM audit_records r WHERE r.slot = h.slot AND r.recorded_at >= @from AND r.recorded_at < @until) >= coalesce(
                (SELECT max(past_sequence) FROM audit_archives a WHERE a.slot = h.slot AND a.deleted_at IS NOT NULL), 0))
            """,
            new { from = UnixTime.Nanoseconds(archive.Month.Begin), until = UnixTime.Nanoseconds(archive.Month.End) }, transaction.Transaction);

    // In PostgreSQL a month goes at once, of all slots, and only the schema's owner can do that; see step 13.
    private static async Task<bool> RemoveAsync(IStoreTransaction transaction, AuditArchive archive)
    {
        if (transaction.Connection is NpgsqlConnection)
        {
            await transaction.Connection.ExecuteAsync(
                "SELECT drop_audit_partition(@at)", new { at = UnixTime.Nanoseconds(archive.Month.Begin) }, transaction.Transaction);
            return true;
        }

        var first = await transaction.Connection.ExecuteScalarAsync<long?>(
            "SELECT min(sequence) FROM audit_records WHERE slot = @slot", new { slot = (long)archive.Slot }, transaction.Transaction) ?? archive.Past;
        var upTo = Math.Min(first + RecordsAtOnce, archive.Past);
        await transaction.Connection.ExecuteAsync(
            """
            DELETE FROM audit_records WHERE slot = @slot AND sequence < @upTo;
            DELETE FROM audit_terms WHERE slot = @slot AND segment < @segment;
            DELETE FROM audit_segments WHERE slot = @slot AND segment < @segment;
            """,
            new { slot = (long)archive.Slot, upTo, segment = upTo / Search.AuditIndex.SegmentSize }, transaction.Transaction);
        return upTo == archive.Past;
    }

    // Records stand in the order in which they were made. Where a clock was put right, some in between are a little older or younger than their
    // neighbours: what counts is the last one of before.
    private async Task<long> FindPastAsync(AuditLog log, long from, DateTimeOffset end, CancellationToken cancellationToken)
    {
        var before = UnixTime.Nanoseconds(end);
        var low = from;
        var high = await log.ReadLastSequenceAsync(cancellationToken) + 1;
        if (await store.ReadAsync(
            connection => connection is NpgsqlConnection
                ? connection.ExecuteScalarAsync<long?>(
                    "SELECT coalesce(max(sequence) + 1, @from) FROM audit_records WHERE slot = @slot AND sequence >= @from AND recorded_at < @before",
                    new { slot = (long)log.Slot, from, before })
                : Task.FromResult<long?>(null),
            cancellationToken) is { } known)
        {
            return known;
        }

        while (low < high)
        {
            var middle = low + ((high - low) / 2);
            var record = Parse((await log.ReadAsync(middle, middle, cancellationToken)).FirstOrDefault(), log.Slot, middle);
            (low, high) = record.TimeUnixNanoseconds < before ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private async Task DemandSignedAsync(int slot, long past, long directorySize, CancellationToken cancellationToken)
    {
        var signed = await store.ReadAsync(
            connection => connection.ExecuteScalarAsync<bool>(
                """
                SELECT EXISTS (
                    SELECT 1 FROM audit_checkpoints AS directory JOIN audit_checkpoints AS log ON log.log = @slot AND log.size >= @past AND log.made_at <= directory.made_at
                    WHERE directory.log = @directory AND directory.size = @directorySize)
                """,
                new { slot = (long)slot, past, directory = (long)SignedLog.Directory, directorySize }),
            cancellationToken);
        if (!signed)
        {
            throw Refusal.InvalidArgument(
                "directory_size", $"no signed checkpoint of the directory with {directorySize} entries reaches the last record of the month in slot {slot}; export the month anew");
        }
    }

    private static AuditRecord Parse(AuditLogEntry? entry, int slot, long sequence) =>
        entry is not null && AuditRecord.TryParse(entry.Record, out var record)
            ? record!
            : throw new StoreTamperedException("audit_records", $"{slot}/{sequence}", "the record is missing or not in canonical form");
}
