using KeyService.Hsm;

namespace KeyService.Server.Hosting;

/// <summary>The token's events on their way to the log, which exists only after the token was opened: the first ones wait.</summary>
internal sealed partial class HsmEvents
{
    private readonly Lock _gate = new();
    private readonly List<HsmEvent> _waiting = [];
    private ILogger? _logger;
    private Action? _stateChanged;

    public void Add(HsmEvent happened)
    {
        lock (_gate)
        {
            if (_logger is null)
            {
                _waiting.Add(happened);
                return;
            }
        }
        Write(_logger, happened);
        // A failed reconnect changes nothing, and the probe that tried it must not call for the next one.
        if (happened.Kind is HsmEventKind.Lost or HsmEventKind.Hung or HsmEventKind.Reconnected)
            _stateChanged?.Invoke();
    }

    /// <param name="logger">Where events are written, those that waited first.</param>
    /// <param name="stateChanged">Told when the token was lost, hangs, or is back; must not block.</param>
    public void AttachTo(ILogger logger, Action stateChanged)
    {
        lock (_gate)
        {
            _logger = logger;
            _stateChanged = stateChanged;
        }
        foreach (var happened in _waiting)
            Write(logger, happened);
        _waiting.Clear();
    }

    private static void Write(ILogger logger, HsmEvent happened)
    {
        switch (happened.Kind)
        {
            case HsmEventKind.Lost or HsmEventKind.Hung or HsmEventKind.ReconnectFailed:
                Trouble(logger, happened.Kind, happened.Message, happened.Exception);
                break;
            default:
                Happened(logger, happened.Kind, happened.Message);
                break;
        }
    }

    [LoggerMessage(4150, LogLevel.Error, "HSM {Kind}: {Message}")]
    private static partial void Trouble(ILogger logger, HsmEventKind kind, string message, Exception? exception);

    [LoggerMessage(4151, LogLevel.Information, "HSM {Kind}: {Message}")]
    private static partial void Happened(ILogger logger, HsmEventKind kind, string message);
}
