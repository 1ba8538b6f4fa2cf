namespace KeyService.Hsm;

/// <summary>Something about the token that an operator wants to know. Holds no secret.</summary>
public enum HsmEventKind
{
    /// <summary>The token was opened.</summary>
    Opened = 1,

    /// <summary>The token is lost; calls fail until a reconnect works.</summary>
    Lost = 2,

    /// <summary>The token was reconnected.</summary>
    Reconnected = 3,

    /// <summary>A reconnect was tried and failed.</summary>
    ReconnectFailed = 4,

    /// <summary>A call into the module did not come back in time.</summary>
    Hung = 5,

    /// <summary>A key of the hierarchy was made.</summary>
    KeyCreated = 6,

    /// <summary>A key of the hierarchy was destroyed.</summary>
    KeyDestroyed = 7,
}

/// <summary>An event of a token.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Message">In words.</param>
/// <param name="Exception">Its cause, when there is one.</param>
public sealed record HsmEvent(HsmEventKind Kind, string Message, HsmException? Exception = null);
