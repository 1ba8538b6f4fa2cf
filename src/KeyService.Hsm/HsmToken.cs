using System.Collections.ObjectModel;
using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Guarantees;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Login;
using KeyService.Hsm.Mechanisms;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.LowLevelAPI80;

namespace KeyService.Hsm;

/// <summary>
/// One PKCS#11 token with its login, its key hierarchy and the KEKs loaded into it. Safe for concurrent use. A token that goes away makes calls fail
/// with <see cref="HsmFault.Unavailable"/>; it is reconnected by the next call or probe, and keys are loaded again when they are next used.
/// </summary>
public sealed partial class HsmToken : IAsyncDisposable
{
    private readonly TokenConnection connection;
    private readonly TimeProvider time;
    private readonly Action<HsmEvent> events;
    private readonly KekRegister keks;
    private readonly CallPace pace;
    private StoredIntegrityKey? integrityKey;

    private HsmToken(HsmConfiguration configuration, TimeProvider time, Action<HsmEvent> events)
    {
        this.time = time;
        this.events = events;
        keks = new KekRegister(configuration.MaxLoadedKeks);
        connection = TokenConnection.Open(configuration, time, events);
        try
        {
            Info = Describe(connection.Module, connection.Recovery.Latest.Token);
            (Mechanisms, Guarantees, pace) = Run(Examine);
            connection.Adapt(configuration.MaxConcurrency ?? pace.MaxConcurrency, pace.IsShort);
        }
        catch
        {
            connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <summary>What module and token say about themselves.</summary>
    public HsmModuleInfo Info { get; }

    /// <summary>Serial number of the token: names it in rows of wrapped keys.</summary>
    public string TokenId => Info.TokenSerial;

    /// <summary>Which backup key the token holds, 16 hexadecimal digits derived from its value; null when there is none.</summary>
    public string? BackupKeyId => connection.Recovery.Latest.Keys.BackupKeyId;

    /// <summary>The mechanisms in use and how each was tested when the token was opened.</summary>
    public IReadOnlyList<HsmMechanismChoice> Mechanisms { get; }

    /// <summary>What the module was seen to guarantee, tried on this token; empty until it has a hierarchy.</summary>
    public IReadOnlyList<HsmGuarantee> Guarantees { get; private set; }

    /// <summary>True for software modules, whose keys are files: never for patients' data. SoftHSM and NSS are known as such.</summary>
    public bool DevelopmentOnly => Info is var info
        && (IsSoftware(info.LibraryManufacturer) || IsSoftware(info.TokenManufacturer) || IsSoftware(info.TokenModel) || IsSoftware(info.LibraryDescription));

    /// <summary>True when root key and backup key stand on the token, as it was last seen.</summary>
    public bool HasHierarchy => connection.Recovery.Latest.Keys.IsComplete;

    /// <summary>True when a root key stands on the token, as it was last seen.</summary>
    public bool HasRoot => connection.Recovery.Latest.Keys.Root is not null;

    /// <summary>Number of the module's life; grows by one with each reconnect.</summary>
    public long Generation => connection.Module.Generation;

    /// <summary>Time of a small call into the module, the shortest of nine measured when the token was opened.</summary>
    public TimeSpan CallTime => pace.Call;

    /// <summary>How many calls may be inside the module at once: as configured, or chosen by <see cref="CallTime"/>.</summary>
    public int MaxConcurrency => connection.MaxConcurrency;

    /// <summary>KEKs loaded in this generation.</summary>
    public int LoadedKeks => keks.Count(Generation);

    /// <summary>
    /// Supplies the stored blob of a KEK that is needed and not known to the token (never loaded, or evicted). Without it such a call fails with
    /// <see cref="HsmFault.KeyNotLoaded"/>. Must have verified the row it reads.
    /// </summary>
    public Func<KeyVersionId, CancellationToken, ValueTask<StoredKek?>>? KekSource { get; set; }

    /// <summary>Loads the module, finds the token, logs in, tests mechanisms, verifies the hierarchy's attributes, probes guarantees.</summary>
    /// <param name="configuration">Which module, token and PIN.</param>
    /// <param name="timeProvider">Clock of timeouts and health; the system's by default.</param>
    /// <param name="events">Told of losses, reconnects and the like, on the thread where they happen; must not block or throw.</param>
    /// <exception cref="HsmException">Its fault and message say what to do.</exception>
    public static HsmToken Open(HsmConfiguration configuration, TimeProvider? timeProvider = null, Action<HsmEvent>? events = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        Validate(configuration);
        var report = events ?? (static _ => { });
        var token = new HsmToken(configuration, timeProvider ?? TimeProvider.System, report);
        report(new HsmEvent(HsmEventKind.Opened,
            $"Token '{token.Info.TokenLabel}' (serial {token.TokenId}) of {token.Info.ModulePath} is open. A small call takes "
            + $"{token.CallTime.TotalMicroseconds:F0} us; up to {token.MaxConcurrency} calls run at once."));
        return token;
    }

    /// <summary>Asks the token whether it works: GetTokenInfo and the canary under the root key, watched. Reconnects a token that is lost.</summary>
    public async ValueTask<HsmHealth> ProbeAsync(CancellationToken cancellationToken = default)
    {
        var start = time.GetTimestamp();
        HsmException? failure = null;
        try
        {
            await connection.ProbeAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (HsmException exception)
        {
            failure = exception;
        }
        var complete = connection.Recovery.Current?.Keys.IsComplete == true;
        var state = failure is null ? (complete ? HsmState.Healthy : HsmState.NoHierarchy)
            : connection.Watchdog.IsBarking ? HsmState.Hung : HsmState.Lost;
        return new HsmHealth(state, time.GetUtcNow(), time.GetElapsedTime(start), Generation, LoadedKeks, failure, state switch
        {
            HsmState.Healthy => $"Token '{Info.TokenLabel}' answers under its root key.",
            HsmState.NoHierarchy => $"Token '{Info.TokenLabel}' answers, but has no complete key hierarchy: run `keyservice init`.",
            _ => failure!.Message,
        });
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static bool IsSoftware(string text) =>
        text.Contains("SoftHSM", StringComparison.OrdinalIgnoreCase) || text.Contains("Mozilla", StringComparison.OrdinalIgnoreCase)
        || text.Contains("NSS", StringComparison.Ordinal);

    private static void Validate(HsmConfiguration configuration)
    {
        Require(!string.IsNullOrEmpty(configuration.ModulePath), "hsm.module must name a PKCS#11 module.");
        Require(configuration.MaxConcurrency is null or (>= 1 and <= 256), "hsm.maxConcurrency must be 1 to 256.");
        Require(configuration.MaxLoadedKeks is >= 1 and <= 1_000_000, "The bound of loaded KEKs must be 1 to 1,000,000.");
        Require(configuration.WatchdogTimeout > TimeSpan.Zero, "The watchdog's time must be positive.");
        Require(configuration.ReconnectInterval >= TimeSpan.Zero, "The reconnect interval must not be negative.");

        static void Require(bool holds, string rule)
        {
            if (!holds)
            {
                throw new HsmException(HsmFault.Misconfigured, rule);
            }
        }
    }

    private static HsmModuleInfo Describe(Pkcs11Module module, TokenDescription token)
    {
        var info = new CK_INFO();
        Pkcs11Module.Check(module.Library.C_GetInfo(ref info), "C_GetInfo", "the module does not describe itself.");
        return new HsmModuleInfo(
            module.Path, TokenLocator.Text(info.ManufacturerId), TokenLocator.Text(info.LibraryDescription), info.LibraryVersion.ToString(),
            info.CryptokiVersion.ToString(), token.Label, token.Manufacturer, token.Model, token.Serial, token.FirmwareVersion, token.HardwareVersion);
    }

    private (ReadOnlyCollection<HsmMechanismChoice> Mechanisms, IReadOnlyList<HsmGuarantee> Guarantees, CallPace Pace) Examine(Attachment attachment, HsmSession session)
    {
        var mechanisms = MechanismProbe.Run(session).AsReadOnly();
        connection.Recovery.KeepCanary(attachment, session);
        return (mechanisms, GuaranteeProbe.Run(attachment), CallPace.Measure(session, time));
    }

    /// <summary>Start-up only: nothing else runs yet, so waiting for the result blocks nobody.</summary>
    private T Run<T>(Func<Attachment, HsmSession, T> operation) =>
        connection.RunAsync(static (attachment, session, work) => work(attachment, session), operation, CancellationToken.None)
            .AsTask().GetAwaiter().GetResult();

    /// <summary>Blob and check value of the integrity key, to load it again after a reconnect.</summary>
    private sealed record StoredIntegrityKey(byte[] RootBlob, byte[]? CheckValue);
}
