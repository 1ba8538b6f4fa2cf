using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;

namespace KeyService.Server.Alarms;

/// <summary>
/// The alarms as the store has them. What cannot be written now stays in memory, is told all the same, and is written when the store takes
/// it again. Thread safe.
/// </summary>
internal sealed class AlarmBook(IStore store, RowAuthenticator rows, TimeProvider time, AlarmView view, AlarmTeller teller)
{
    /// <summary>How long a caller waits for the commit: an alarm must not stop what found it, least of all when the store hangs.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How often a new wording alone is written: messages hold ages and counts, and would be a commit at each look.
    /// </summary>
    private static readonly TimeSpan WordingPace = TimeSpan.FromHours(1);

    private const int Attempts = 5;
    private const int MostUnwritten = 10_000;

    private readonly AlarmTable _table = new(rows);
    private readonly Lock _gate = new();
    private readonly Dictionary<(AlarmKind, string), Unwritten> _unwritten = [];

    private Task? _loading;

    /// <summary>When this server last wrote a new wording of an alarm.</summary>
    private readonly Dictionary<(AlarmKind, string), DateTimeOffset> _worded = [];

    public AlarmView View { get; } = view;

    /// <summary>How many conditions wait to be written.</summary>
    public int UnwrittenCount
    {
        get
        {
            lock (_gate)
            {
                return _unwritten.Count;
            }
        }
    }

    /// <summary>Brings the view up to what the table has: at the start, and for what other servers changed.</summary>
    /// <exception cref="StoreTamperedException">A row was changed, or rows are missing.</exception>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= Attempts; attempt++)
        {
            var since = View.Version;
            var known = View.IsLoaded ? View.Open().ToDictionary(alarm => alarm.Id) : null;
            if (View.TryReplace(await store.ReadAsync(connection => _table.ListOpenAsync(connection, known, cancellationToken), cancellationToken), since))
            {
                return;
            }
        }
    }

    /// <summary>The condition stands. Costs a look into memory while that is known.</summary>
    public async Task RaiseAsync(AlarmCondition condition, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        var key = (condition.Kind, condition.Subject);
        Unwritten waiting;
        lock (_gate)
        {
            if (_unwritten.TryGetValue(key, out var before) && before.Condition is not null)
            {
                before.Condition = condition;
                before.Over = false;
                return;
            }

            // What was to be cleared and has not been stands again: nothing to write, unless it is news.
            _unwritten.Remove(key);
            if (View.Find(condition.Kind, condition.Subject) is { } known && !IsNews(known, condition))
            {
                return;
            }

            // Bounded: whoever found it comes again, when there is room.
            if (_unwritten.Count >= MostUnwritten)
            {
                return;
            }

            _unwritten[key] = waiting = new Unwritten(key.Kind, key.Subject, condition, AccessAdministration.NewId(), time.GetUtcNow());
        }

        await TryWriteAsync(waiting, cancellationToken);
    }

    // Under the gate.
    private bool IsNews(Alarm known, AlarmCondition condition)
    {
        var now = time.GetUtcNow();
        if (known.RaisedAgain(condition with { Message = known.Message }, now) != known)
        {
            return true;
        }

        var key = (condition.Kind, condition.Subject);
        if (condition.Message == known.Message || now - _worded.GetValueOrDefault(key, known.LastRaiseTime) < WordingPace)
        {
            return false;
        }

        _worded[key] = now;
        return true;
    }

    /// <summary>The condition is over. Costs a look into memory while there is nothing to clear.</summary>
    public async Task ClearAsync(AlarmKind kind, string subject, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        Unwritten waiting;
        lock (_gate)
        {
            _unwritten.Remove((kind, subject), out var before);
            if (before is { Told: true, Condition: not null })
            {
                // It was told and is not written yet: it will be as what it was, over and not acknowledged.
                before.Over = true;
                waiting = before;
            }
            else if (View.Find(kind, subject) is { Stands: true })
            {
                waiting = new Unwritten(kind, subject, null, 0, time.GetUtcNow());
            }
            else
            {
                return;
            }

            _worded.Remove((kind, subject));
            _unwritten[(kind, subject)] = waiting;
        }

        await TryWriteAsync(waiting, cancellationToken);
    }

    /// <summary>Subjects of a kind whose condition stands, written or not; null when the table could not be read yet.</summary>
    public async Task<IReadOnlyList<string>?> StandingAsync(AlarmKind kind, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        if (!View.IsLoaded)
        {
            return null;
        }

        lock (_gate)
        {
            var waiting = _unwritten.Values.Where(each => each.Kind == kind && each is { Condition: not null, Over: false }).Select(each => each.Subject);
            return [.. View.Open().Where(alarm => alarm.Kind == kind && alarm.Stands).Select(alarm => alarm.Subject).Union(waiting)];
        }
    }

    /// <summary>Tries once more what could not be written.</summary>
    public async Task WriteUnwrittenAsync(CancellationToken cancellationToken)
    {
        Unwritten[] all;
        lock (_gate)
        {
            all = [.. _unwritten.Values];
        }

        foreach (var each in all)
        {
            if (!await TryWriteAsync(each, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Tells again, by log and webhook, what is not written and was told long ago.</summary>
    public void RepeatUnwritten(TimeSpan every)
    {
        var now = time.GetUtcNow();
        List<Alarm> due = [];
        lock (_gate)
        {
            foreach (var each in _unwritten.Values.Where(each => each is { Told: true, Condition: not null, Over: false }))
            {
                var alarm = each.AsAlarm();
                if (alarm.RepeatTime(every) <= now)
                {
                    each.Tell(now);
                    due.Add(each.AsAlarm());
                }
            }
        }

        due.ForEach(alarm => teller.Tell(AlarmNews.Repeated, alarm));
    }

    /// <summary>Tells an alarm again that nobody has acknowledged, and writes that it was.</summary>
    public async Task RepeatAsync(Alarm alarm, CancellationToken cancellationToken)
    {
        Alarm? repeated = null;
        await ChangeAsync(
            AuditEvent.AlarmRepeated,
            async transaction =>
            {
                var now = await _table.FindAsync(transaction.Connection, transaction.Transaction, alarm.Id, CancellationToken.None);
                if (now is null || now.Acknowledgement is not null || now.LastRaiseTime != alarm.LastRaiseTime)
                {
                    throw new NothingNewException(now);
                }

                return repeated = now.Repeated(transaction.Time);
            },
            cancellationToken);
        if (repeated is not null)
        {
            teller.Tell(AlarmNews.Repeated, repeated);
        }
    }

    /// <summary>Part of a call's change: acknowledges an alarm; one that is acknowledged already stays as it is.</summary>
    /// <exception cref="Refusal">NOT_FOUND.</exception>
    public async Task<Alarm> AcknowledgeAsync(IStoreTransaction transaction, ulong id, string idText, string by, string note)
    {
        var before = await _table.FindAsync(transaction.Connection, transaction.Transaction, id, CancellationToken.None)
            ?? throw Refusal.NotFound($"Alarm '{idText}'");
        var after = before.Acknowledged(new Acknowledgement(transaction.Time, by, note));
        if (after == before)
        {
            return before;
        }

        try
        {
            await _table.UpdateAsync(transaction, after);
        }
        catch (AlarmChangedElsewhereException exception)
        {
            throw new StoreUnavailableException(exception.Message, exception);
        }

        transaction.OnCommitted(() =>
        {
            View.Apply(after);
            teller.Tell(AlarmNews.Acknowledged, after);
        });
        return after;
    }

    public Task<IReadOnlyList<Alarm>> PageAsync(bool openOnly, Alarm? after, int size, CancellationToken cancellationToken) => store.ReadAsync(
        connection => openOnly
            ? _table.PageOfOpenAsync(connection, after, size, cancellationToken)
            : _table.PageOfAllAsync(connection, after, size, cancellationToken),
        cancellationToken);

    public Task<Alarm?> FindAsync(ulong id, CancellationToken cancellationToken) =>
        store.ReadAsync(connection => _table.FindAsync(connection, null, id, cancellationToken), cancellationToken);

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        if (View.IsLoaded)
        {
            return;
        }

        // Once, and for all callers together: when it fails, the keeper's rounds go on trying and nobody waits any more.
        Task loading;
        lock (_gate)
        {
            loading = _loading ??= RefreshAsync(CancellationToken.None).WaitAsync(Patience, time, CancellationToken.None);
        }

        try
        {
            await loading.WaitAsync(cancellationToken);
        }
        catch (Exception)
        {
            // The store does not answer: what is raised is told now and compared with the table when it does.
        }
    }

    // True when it is written, or need not be.
    private async Task<bool> TryWriteAsync(Unwritten waiting, CancellationToken cancellationToken)
    {
        try
        {
            await WriteAsync(waiting, cancellationToken).WaitAsync(Patience, time, cancellationToken);
            return true;
        }
        catch (Exception)
        {
            // Store or HSM do not take it now, or the caller waits no longer. It is said now and written later.
            TellUnwritten(waiting);
            return false;
        }
    }

    private void TellUnwritten(Unwritten waiting)
    {
        lock (_gate)
        {
            if (waiting.Condition is null || waiting.Over || waiting.Told || !IsWaiting(waiting))
            {
                return;
            }

            waiting.Tell(time.GetUtcNow());
        }

        teller.Tell(AlarmNews.Raised, waiting.AsAlarm());
    }

    private async Task WriteAsync(Unwritten waiting, CancellationToken cancellationToken)
    {
        var condition = waiting.Condition;
        var over = waiting.Over;
        Alarm? raised = null;
        Alarm? cleared = null;
        Alarm? before = null;
        if (condition is not null)
        {
            raised = await ChangeAsync(
                AuditEvent.AlarmRaised,
                async transaction =>
                {
                    before = await _table.FindOpenAsync(transaction, waiting.Kind, waiting.Subject);
                    return Raised(before, condition, waiting.Id, transaction.Time);
                },
                cancellationToken);
        }

        if (condition is null || over)
        {
            cleared = await ChangeAsync(AuditEvent.AlarmCleared, transaction => ClearAsync(transaction, waiting.Kind, waiting.Subject), cancellationToken);
        }

        bool told;
        lock (_gate)
        {
            told = waiting.Told;
            waiting.Told = told || raised is not null;
            if (IsWaiting(waiting) && waiting.Condition == condition && waiting.Over == over)
            {
                _unwritten.Remove((waiting.Kind, waiting.Subject));
            }
        }

        // A new wording alone is no news.
        if (raised is not null && !told && raised.Repeats != before?.Repeats)
        {
            teller.Tell(AlarmNews.Raised, raised);
        }

        if (cleared is not null)
        {
            teller.Tell(AlarmNews.Cleared, cleared);
        }
    }

    private bool IsWaiting(Unwritten waiting) => _unwritten.TryGetValue((waiting.Kind, waiting.Subject), out var now) && now == waiting;

    private static Alarm Raised(Alarm? open, AlarmCondition condition, ulong id, DateTimeOffset now)
    {
        var raised = open?.RaisedAgain(condition, now) ?? Alarm.New(id, condition, now);
        return raised == open ? throw new NothingNewException(open) : raised;
    }

    private async Task<Alarm> ClearAsync(IStoreTransaction transaction, AlarmKind kind, string subject)
    {
        var open = await _table.FindOpenAsync(transaction, kind, subject);
        var cleared = open?.Cleared(transaction.Time);
        return cleared is null || cleared == open ? throw new NothingNewException(open) : cleared;
    }

    // One commit: the alarm as the change makes it, and its record. Null when there was nothing new.
    private async Task<Alarm?> ChangeAsync(AuditEvent auditEvent, Func<IStoreTransaction, Task<Alarm>> change, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var record = new AuditRecordDraft(auditEvent) { Automated = true };
            Alarm? changed = null;
            try
            {
                await store.CommitAsync(
                    record,
                    async transaction =>
                    {
                        var alarm = changed = await change(transaction);
                        if (alarm.Revision == 1)
                        {
                            await _table.InsertAsync(transaction, alarm);
                        }
                        else
                        {
                            await _table.UpdateAsync(transaction, alarm);
                        }

                        record.Key = AlarmKinds.ConcernsKey(alarm.Kind) ? alarm.Subject : "";
                        record.Detail = $"{alarm.IdText} {AlarmKinds.NameOf(alarm.Kind)} of {alarm.Subject}: {alarm.Message}";
                        transaction.OnCommitted(() => View.Apply(alarm));
                    },
                    cancellationToken);
                return changed;
            }
            catch (NothingNewException nothing)
            {
                if (nothing.Alarm is { } standing)
                {
                    View.Apply(standing);
                }

                return null;
            }
            catch (AlarmChangedElsewhereException) when (attempt < Attempts)
            {
                // Another server was first: decided anew from what it wrote.
            }
        }
    }

    // Undoes the change, so that no record is written of what was no change.
    private sealed class NothingNewException(Alarm? alarm) : Exception
    {
        public Alarm? Alarm { get; } = alarm;
    }

    /// <summary>What was found and is not written yet.</summary>
    private sealed class Unwritten(AlarmKind kind, string subject, AlarmCondition? condition, ulong id, DateTimeOffset since)
    {
        private DateTimeOffset _lastTold = since;
        private long _repeats;

        public AlarmKind Kind { get; } = kind;

        public string Subject { get; } = subject;

        /// <summary>Null when it is to be cleared.</summary>
        public AlarmCondition? Condition { get; set; } = condition;

        /// <summary>Id of the alarm if it becomes one of its own.</summary>
        public ulong Id { get; } = id;

        public DateTimeOffset Since { get; } = since;

        /// <summary>It was over before it could be written.</summary>
        public bool Over { get; set; }

        /// <summary>Log and webhook have it.</summary>
        public bool Told { get; set; }

        public void Tell(DateTimeOffset now)
        {
            _repeats += Told ? 1 : 0;
            (Told, _lastTold) = (true, now);
        }

        public Alarm AsAlarm() => Alarm.New(Id, Condition!, Since) with { LastRaiseTime = _lastTold, Repeats = _repeats };
    }
}
