namespace KeyService.Server.Alarms;

/// <summary>
/// The open alarms as this server last knew them: what it changed itself from the moment that is durable, what other servers changed when
/// it looks. Thread safe.
/// </summary>
internal sealed class AlarmView
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(AlarmKind Kind, string Subject), Alarm> _open = [];
    private long _version;

    /// <summary>Grows with every change.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>False until the table was read once: before that an alarm that is not here may still be open.</summary>
    public bool IsLoaded { get; private set; }

    public Alarm? Find(AlarmKind kind, string subject)
    {
        lock (_gate)
        {
            return _open.GetValueOrDefault((kind, subject));
        }
    }

    /// <summary>Critical ones first, of each the oldest first.</summary>
    public IReadOnlyList<Alarm> Open()
    {
        lock (_gate)
        {
            return [.. _open.Values
                .OrderByDescending(alarm => alarm.Severity).ThenBy(alarm => alarm.RaiseTime).ThenBy(alarm => alarm.Id)];
        }
    }

    /// <summary>How many are open of each kind and severity.</summary>
    public IReadOnlyList<(AlarmKind Kind, AlarmSeverity Severity, int Count)> Counts()
    {
        lock (_gate)
        {
            return [.. _open.Values.GroupBy(alarm => (alarm.Kind, alarm.Severity))
                .Select(group => (group.Key.Kind, group.Key.Severity, group.Count()))];
        }
    }

    /// <summary>For <see cref="Storage.IStoreTransaction.OnCommitted"/>: takes over an alarm as a commit left it.</summary>
    public void Apply(Alarm alarm)
    {
        lock (_gate)
        {
            var key = (alarm.Kind, alarm.Subject);
            if (_open.TryGetValue(key, out var before) && before.Id == alarm.Id && before.Revision >= alarm.Revision)
            {
                return;
            }

            _version++;
            if (alarm.IsOpen)
            {
                _open[key] = alarm;
            }
            else
            {
                _open.Remove(key);
            }
        }
    }

    /// <summary>Takes over all open alarms as the table has them, unless this server changed one since: then what was read is old.</summary>
    /// <param name="open">What was read.</param>
    /// <param name="since"><see cref="Version"/> before it was read.</param>
    public bool TryReplace(IReadOnlyList<Alarm> open, long since)
    {
        lock (_gate)
        {
            if (_version != since)
            {
                return false;
            }

            if (_open.Count != open.Count || open.Any(alarm => !_open.TryGetValue((alarm.Kind, alarm.Subject), out var known) || known != alarm))
            {
                _open.Clear();
                foreach (var alarm in open)
                {
                    _open.Add((alarm.Kind, alarm.Subject), alarm);
                }

                _version++;
            }

            IsLoaded = true;
            return true;
        }
    }
}
