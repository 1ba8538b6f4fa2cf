using KeyService.Crypto;
using KeyService.Server.Audit;
using Microsoft.Data.Sqlite;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// The writer: one thread that takes whatever commits wait, puts their changes and records into one transaction, makes it durable by one
/// fsync, and only then answers. Nothing waits for company: alone, a commit costs one fsync; under load the fsync is shared. Sequence
/// numbers are given here, to records that go into the transaction, so they have no gaps.
/// </summary>
internal sealed class GroupCommit(SqliteStoreOptions options, TimeProvider time, CommitQueue queue, StorePosition position) : IDisposable
{
    private readonly List<PendingCommit> _group = new(options.MaxGroupSize);
    private WriterConnection? _writer;
    private long _nextSequence;

    // What a COMMIT that failed would have made the next sequence; set only while COMMIT runs, and kept with the group until the file was
    // opened anew.
    private long? _committing;
    private List<PendingCommit>? _uncertain;
    private long _uncertainNext;

    /// <summary>Takes over a connection that was just opened: what it reads is durable, and is what stands.</summary>
    public void Attach(SqliteConnection connection)
    {
        _writer = new WriterConnection(connection, options.Slot);
        var last = _writer.ReadLastSequence();
        _nextSequence = last + 1;
        if (_uncertain is { } group)
        {
            // Its callers were told that nobody knows. If it stands after all, the caches must follow it.
            _uncertain = null;
            if (_nextSequence >= _uncertainNext)
            {
                group.ForEach(commit => commit.RunCommittedActions());
            }
        }

        position.Advance(last);
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
                Abandon(e);
            }
        }
    }

    /// <summary>After the thread has ended.</summary>
    public void Dispose() => _writer?.Dispose();

    private void CommitGroup()
    {
        var writer = _writer ?? Reopen();
        var now = time.GetUtcNow();
        writer.Begin();
        var sequence = _nextSequence;
        foreach (var commit in _group)
        {
            if (commit.Change is null)
            {
                AddRecord(writer, commit, ref sequence, now);
            }
            else
            {
                AddChange(writer, commit, ref sequence, now);
            }
        }

        _committing = sequence;
        writer.Commit();
        _committing = null;
        _nextSequence = sequence;
        foreach (var commit in _group)
        {
            commit.RunCommittedActions();
        }

        position.Advance(sequence - 1);
        foreach (var commit in _group)
        {
            commit.Answer();
        }
    }

    private void AddRecord(WriterConnection writer, PendingCommit commit, ref long sequence, DateTimeOffset now)
    {
        if (commit.Record is null)
        {
            writer.WriteProbe(now);
            commit.Receipt = new CommitReceipt(options.Slot, -1, now);
            return;
        }

        byte[] record;
        try
        {
            record = AuditEncoding.Encode(commit.Record, options.Slot, sequence, now);
        }
        catch (InvalidOperationException e)
        {
            // A field that the format cannot hold: this caller's fault alone. Nothing was written yet.
            commit.Failure = e;
            return;
        }

        writer.Insert(sequence, record, AuditRecord.LeafHash(record));
        commit.Receipt = new CommitReceipt(options.Slot, sequence, now);
        sequence++;
    }

    private void AddChange(WriterConnection writer, PendingCommit commit, ref long sequence, DateTimeOffset now)
    {
        writer.Savepoint();
        try
        {
            // Blocks this thread on purpose: changes run one after another, and SQLite answers synchronously anyway.
            commit.Change!(new TransactionScope(writer.Connection, options.Slot, now, commit)).GetAwaiter().GetResult();
            AddRecord(writer, commit, ref sequence, now);
            if (commit.Failure is null)
            {
                writer.Release();
                return;
            }
        }
        catch (SqliteException e) when (SqliteErrors.IsStoreFault(e))
        {
            throw;
        }
        catch (Exception e) when (writer.InTransaction)
        {
            commit.Failure = e;
        }

        commit.CommittedActions = null;
        commit.Record?.ForgetChanges();
        writer.RollbackToSavepoint();
    }

    private void Abandon(Exception exception)
    {
        var unavailable = exception switch
        {
            SqliteException e => SqliteErrors.Unavailable("Committing to the store", e),
            StoreUnavailableException e => e,
            _ => new StoreUnavailableException($"Committing to the store failed: {exception.Message}", exception),
        };
        if (_committing is { } next && next > _nextSequence)
        {
            _uncertain = [.. _group];
            _uncertainNext = next;
        }

        _committing = null;
        Discard();
        foreach (var commit in _group)
        {
            commit.Fail(commit.Failure ?? unavailable);
        }
    }

    // After a failed commit only the file knows what stands: the next group opens it anew and reads the sequence from it.
    private void Discard()
    {
        try
        {
            _writer?.Rollback();
            _writer?.Dispose();
        }
        catch (Exception)
        {
            // The connection is of no use any more, whatever it says at the end; the failure that counts is known already.
        }

        _writer = null;
    }

    private WriterConnection Reopen()
    {
        Attach(SqliteConnections.OpenWriter(options.Path, create: false));
        return _writer!;
    }
}
