using Grpc.Net.Client;
using KeyService.Client.Internal;

namespace KeyService.Client;

/// <summary>
/// A connection to the service. Thread-safe; make one for each process and keep it: calls share one HTTP/2 connection,
/// which is opened with the first call and again whenever it broke.
/// </summary>
public sealed class KeyServiceClient : IDisposable
{
    private readonly GrpcChannel channel;

    private KeyServiceClient(GrpcChannel channel, ClientOptions options)
    {
        this.channel = channel;
        var invoker = AccessTokenMetadata.Over(SessionMetadata.Over(channel.CreateCallInvoker(), options.SessionToken), options.AccessTokenPath);
        var runner = new CallRunner(options);
        DataKeys = new DataKeyCalls(invoker, runner);
        Cipher = new CipherCalls(invoker, runner);
        Archives = new ArchiveCalls(DataKeys);
        Keys = new KeyCalls(invoker, runner);
        Rotation = new RotationCalls(invoker, runner);
        Access = new AccessCalls(invoker, runner);
        AccessReviews = new AccessReviewCalls(invoker, runner);
        Sessions = new SessionCalls(invoker, runner);
        Places = new PlaceCalls(invoker, runner);
        Ceremonies = new CeremonyCalls(invoker, runner);
        BreakGlass = new BreakGlassCalls(invoker, runner);
        Audit = new AuditCalls(invoker, runner);
        Retention = new RetentionCalls(invoker, runner);
        Evidence = new EvidenceCalls(invoker, runner);
        Alarms = new AlarmCalls(invoker, runner);
        Reviews = new ReviewCalls(invoker, runner);
        Backups = new BackupCalls(invoker, runner);
        Service = new ServiceCalls(invoker, runner);
        Store = new StoreCalls(invoker, runner);
        Holdings = new HoldingCalls(invoker, runner);
        Destructions = new DestructionCalls(invoker, runner);
        Approvals = new ApprovalCalls(invoker, runner);
        TimeProvider = options.TimeProvider;
        Leases = new LeaseWatch(DataKeys, options.TimeProvider);
    }

    /// <summary>Data keys: generate, unwrap, re-wrap.</summary>
    public DataKeyCalls DataKeys { get; }

    /// <summary>Encryption and decryption inside the service.</summary>
    public CipherCalls Cipher { get; }

    /// <summary>Archives as streams, made and opened here with data keys of the service.</summary>
    public ArchiveCalls Archives { get; }

    /// <summary>Administration of keys.</summary>
    public KeyCalls Keys { get; }

    /// <summary>The calendar of rotations and the ledger of key ages.</summary>
    public RotationCalls Rotation { get; }

    /// <summary>Principals and grants.</summary>
    public AccessCalls Access { get; }

    /// <summary>Campaigns in which managers attest who may do what.</summary>
    public AccessReviewCalls AccessReviews { get; }

    /// <summary>Second factors and sessions of people.</summary>
    public SessionCalls Sessions { get; }

    /// <summary>From where credentials are used.</summary>
    public PlaceCalls Places { get; }

    /// <summary>Transcripts of key ceremonies.</summary>
    public CeremonyCalls Ceremonies { get; }

    /// <summary>Emergency access.</summary>
    public BreakGlassCalls BreakGlass { get; }

    /// <summary>The audit log.</summary>
    public AuditCalls Audit { get; }

    /// <summary>How long the audit log is kept.</summary>
    public RetentionCalls Retention { get; }

    /// <summary>Evidence for an auditor.</summary>
    public EvidenceCalls Evidence { get; }

    /// <summary>What somebody has to look at.</summary>
    public AlarmCalls Alarms { get; }

    /// <summary>What was found in the audit log, and what people made of it.</summary>
    public ReviewCalls Reviews { get; }

    /// <summary>Where wrapped keys and tokens live, and campaigns over them.</summary>
    public HoldingCalls Holdings { get; }

    /// <summary>Backup bundles of the service's keys.</summary>
    public BackupCalls Backups { get; }

    /// <summary>Key versions that are to be destroyed.</summary>
    public DestructionCalls Destructions { get; }

    /// <summary>Calls that wait for a quorum of officers.</summary>
    public ApprovalCalls Approvals { get; }

    /// <summary>State of the service and its HSM.</summary>
    public ServiceCalls Service { get; }

    /// <summary>Whether the store can be believed.</summary>
    public StoreCalls Store { get; }

    /// <summary>
    /// Reads certificate and key and prepares the connection; the first call opens it.
    /// Throws <see cref="KeyServiceException"/> (CONFIGURATION) when a file is missing or no PEM, or the endpoint is not one.
    /// </summary>
    public static KeyServiceClient Connect(ClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Attempts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Attempts, 10);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.CallTimeout, TimeSpan.Zero);
        return new KeyServiceClient(ChannelFactory.Create(options), options);
    }

    internal TimeProvider TimeProvider { get; }

    /// <summary>What the service says about data keys held in this process.</summary>
    internal LeaseWatch Leases { get; }

    /// <summary>Encryption of fields in this process; make one for a key and keep it. Nothing is asked of the service before the first field.</summary>
    public FieldEncryption CreateFieldEncryption(FieldEncryptionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new FieldEncryption(this, options);
    }

    /// <summary>Finding rows by the value of an encrypted column; make one and keep it. Nothing is asked of the service before the first value.</summary>
    public BlindIndex CreateBlindIndex(BlindIndexOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new BlindIndex(this, options);
    }

    /// <summary>Closes the connection; calls on the way fail.</summary>
    public void Dispose()
    {
        Leases.Dispose();
        channel.Dispose();
    }
}
