using System.Diagnostics;
using KeyService.Crypto;
using KeyService.Server.Audit;
using Npgsql;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// The writer: one thread that takes whatever commits wait, puts their changes and records into one transaction, and answers when that is
/// durable. A session that is lost is replaced; what it was committing is looked up in the log, acknowledged when it stands there and done
/// again when it does not. Only when the database stays away are callers told so (ADR 0160).
/// </summary>
internal sealed class PostgresGroupCommit(
    PostgresStoreOptions options, PostgresConnections connections, TimeProvider time, CommitQueue queue, StorePosition position, PostgresHooks hooks)
    : IDisposable
{
    private const int MonthsAhead = 2;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly List<PendingCommit> _group = new(options.MaxGroupSize);
    private readonly List<GroupRecord> _records = new(options.MaxGroupSize);
    private WriterSession? _session;
    private (int Year, int Month) _partitioned;

    // Kept until a session has looked whether it stands, also after its callers were told that nobody knows: caches follow what stands.
    private UncertainGroup? _uncertain;

    // Since when nothing succeeds: once that is too long, each group is tried but once.
    private long? _failingSince;

    /// <summary>Logs in and leases a slot. What a lost session left open is settled here.</summary>
    /// <returns>The group that was uncertain and stands, or null.</returns>
    public UncertainGroup? Attach()
    {
        var session = WriterSession.Open(connections, _uncertain?.Slot ?? (position.Slot < 0 ? null : position.Slot));
        UncertainGroup? standing = null;
        try
        {
            MakePartitions(session, time.GetUtcNow());
            if (_uncertain is { } group && session.Holds(group))
            {
                session.Settle(time.GetUtcNow());
                standing = group;
            }
        }
        catch
        {
            session.Dispose();
            _partitioned = default;
            throw;
        }

        _uncertain = null;
        _session = session;
        if (standing is not null)
        {
            RunCommittedActions(standing.Commits);
        }

        position.MoveTo(session.Slot, session.NextSequence - 1);
        return standing;
    }

    /// <summary>Body of the writer thread; ends when the queue is closed and empty.</summary>
    public void Run()
    {
        while (queue.Take(_group, options.MaxGroupSize))
        {
            try
            {
                CommitGroup();
            }
            catch (Exception e)
            {
                // What an attempt gave as a change's own failure may have been the lost session's: all hear the same.
                Discard();
                var unavailable = e as StoreTamperedException ?? (Exception)PostgresErrors.Unavailable("Committing to the store", e);
                _group.ForEach(commit => commit.Fail(unavailable));
            }
        }
    }

    /// <summary>After the thread has ended.</summary>
    public void Dispose() => Discard();

    private void CommitGroup()
    {
        while (true)
        {
            try
            {
                if (_session is null && Attach() is { } standing && standing.Commits.SequenceEqual(_group))
                {
                    _failingSince = null;
                    _group.ForEach(commit => commit.Answer());
                    return;
                }

                Write(_session!);
                _failingSince = null;
                return;
            }
            catch (Exception e) when (PostgresErrors.IsTransient(e) || _session is { IsOpen: false })
            {
                _failingSince ??= Stopwatch.GetTimestamp();
                if (Stopwatch.GetElapsedTime(_failingSince.Value) >= options.RetryTime)
                {
                    throw;
                }

                GiveUpTransaction();
                Thread.Sleep(Pause);
            }
        }
    }

    private void Write(WriterSession session)
    {
        var now = time.GetUtcNow();
        MakePartitions(session, now);
        _records.Clear();
        _group.ForEach(commit => commit.StartOver());
        var withChanges = _group.Exists(commit => commit.Change is not null);
        session.Begin(withChanges);
        if (withChanges)
        {
            // Blocks this thread on purpose, as the changes do: the transaction is one thing after another.
            hooks.BeforeChanges?.Invoke(session.Connection).GetAwaiter().GetResult();
        }

        var rowsChanged = false;
        foreach (var commit in _group)
        {
            if (commit.Change is null)
            {
                AddRecord(session, commit, now);
            }
            else
            {
                rowsChanged |= AddChange(session, commit, now);
            }
        }

        if (_records.Count > 0)
        {
            session.Insert(_records, now);
        }

        if (rowsChanged)
        {
            session.Notify(PostgresHooks.Channel);
        }

        Commit(session);
        RunCommittedActions(_group);
        position.Advance(session.NextSequence - 1);
        _group.ForEach(commit => commit.Answer());
    }

    private void Commit(WriterSession session)
    {
        var first = session.NextSequence;
        try
        {
            session.Commit(_records.Count);
        }
        catch (Exception e) when (e is not PostgresException || !session.IsOpen)
        {
            // An error that the living session answers is a commit that was refused. Otherwise nobody knows yet.
            if (_records.Count > 0)
            {
                _uncertain = new UncertainGroup(session.Slot, first, [.. _records.Select(record => record.LeafHash)], [.. _group]);
            }

            Discard();
            throw;
        }
    }

    private void AddRecord(WriterSession session, PendingCommit commit, DateTimeOffset now)
    {
        if (commit.Record is null)
        {
            session.WriteProbe(now);
            commit.Receipt = new CommitReceipt(session.Slot, -1, now);
            return;
        }

        var sequence = session.NextSequence + _records.Count;
        byte[] record;
        try
        {
            record = AuditEncoding.Encode(commit.Record, session.Slot, sequence, now);
        }
        catch (InvalidOperationException e)
        {
            // A field that the format cannot hold: this caller's fault alone. Nothing was written yet.
            commit.Failure = e;
            return;
        }

        _records.Add(new GroupRecord(record, AuditRecord.LeafHash(record)));
        commit.Receipt = new CommitReceipt(session.Slot, sequence, now);
    }

    /// <summary>Whether it wrote deciding rows.</summary>
    private bool AddChange(WriterSession session, PendingCommit commit, DateTimeOffset now)
    {
        var records = _records.Count;
        session.Savepoint();
        try
        {
            var scope = new TransactionScope(session.Connection, session.Slot, now, commit);
            commit.Change!(scope).GetAwaiter().GetResult();
            var changes = commit.Record?.Changes ?? [];
            if (changes.Count > 0)
            {
                hooks.RowsChanged?.Invoke(scope, changes).GetAwaiter().GetResult();
            }

            AddRecord(session, commit, now);
            if (commit.Failure is null)
            {
                session.Release();
                return changes.Count > 0;
            }
        }
        catch (Exception e) when (session.IsOpen && !PostgresErrors.IsTransient(e))
        {
            commit.Failure = e;
        }

        _records.RemoveRange(records, _records.Count - records);
        commit.CommittedActions = null;
        commit.Record?.ForgetChanges();
        session.RollbackToSavepoint();
        return false;
    }

    private void MakePartitions(WriterSession session, DateTimeOffset now)
    {
        if (_partitioned == (now.Year, now.Month))
        {
            return;
        }

        var month = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        for (var ahead = 0; ahead <= MonthsAhead; ahead++)
        {
            session.MakePartition(month.AddMonths(ahead));
        }

        _partitioned = (now.Year, now.Month);
    }

    private static void RunCommittedActions(IEnumerable<PendingCommit> commits)
    {
        foreach (var commit in commits)
        {
            commit.RunCommittedActions();
        }
    }

    // Two transactions were in each other's way: the session is as good as before, and keeps its slot.
    private void GiveUpTransaction()
    {
        try
        {
            if (_session is { IsOpen: true } session)
            {
                session.Rollback();
                return;
            }
        }
        catch (NpgsqlException)
        {
            // It is lost after all.
        }

        Discard();
    }

    private void Discard()
    {
        try
        {
            _session?.Dispose();
        }
        catch (Exception)
        {
            // The session is of no use any more, whatever it says at the end; the failure that counts is known already.
        }

        _session = null;
        _partitioned = default;
    }
}
