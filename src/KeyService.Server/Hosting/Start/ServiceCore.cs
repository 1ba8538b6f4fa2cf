using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Restore;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Server.Hosting;

/// <summary>
/// What stands below the RPCs, opened in the one order that works: token, store, integrity key, installation, access register.
/// Each failure is a sentence with what to do and an exit code of its own.
/// </summary>
internal sealed class ServiceCore : IAsyncDisposable
{
    private ServiceCore(HsmToken hsm, IStore store, RowAuthenticator rows, ContextDigests contexts, AccessRegister access, Installation installation)
    {
        Hsm = hsm;
        Store = store;
        Rows = rows;
        Contexts = contexts;
        Installation = installation;
        Access = access;
    }

    public HsmToken Hsm { get; }

    public IStore Store { get; }

    public RowAuthenticator Rows { get; }

    public ContextDigests Contexts { get; }

    public Installation Installation { get; }

    public AccessRegister Access { get; }

    /// <exception cref="StartUpException">HSM absent, wrong PIN, store in use, not initialised, tampered, …</exception>
    public static async Task<ServiceCore> OpenAsync(
        ServerConfiguration configuration, TimeProvider time, Action<HsmEvent>? hsmEvents, CancellationToken cancellation)
    {
        IStore? store = null;
        HsmToken? hsm = null;
        try
        {
            // The store first: a second server on the same file must not even log in to the token.
            store = OpenStore(configuration, StoreMode.ReadWrite, time);
            hsm = OpenHsm(configuration, time, hsmEvents);
            if (!hsm.HasHierarchy)
            {
                throw new StartUpException(ExitCode.NotInitialised,
                    $"The token {hsm.Info.TokenLabel} ({hsm.TokenId}) holds no root key. Run init with this configuration first.");
            }
            var rows = await LoadIntegrityKeyAsync(store, hsm, configuration, cancellation);
            var access = await AccessRegister.LoadAsync(store, rows, time, cancellation);
            access.Separation = configuration.Access.Separation;
            DemandAnAdministrator(access, time);
            var installation = await Installation.ReadAsync(store, cancellation);
            var contexts = await ContextDigests.DeriveAsync(rows, installation!.Id, cancellation);
            return new ServiceCore(hsm, store, rows, contexts, access, installation);
        }
        catch (Exception exception)
        {
            if (store is not null)
                await store.DisposeAsync();
            if (hsm is not null)
                await hsm.DisposeAsync();
            if (StartUpFailure.Of(exception) is { } failure)
                throw failure;
            throw;
        }
    }

    // Only a stricter configuration can bring this about: no change of access is taken that would.
    private static void DemandAnAdministrator(AccessRegister access, TimeProvider time)
    {
        if (access.Separation == SeparationLevel.Strict && !AccessRules.LeavesAnAdministrator(access.Current, time.GetUtcNow(), access.Separation))
        {
            throw new StartUpException(ExitCode.Configuration,
                "access.separation is \"strict\", and whoever administers access here administers keys too, so nobody could administer access. "
                + "With \"standard\", give another principal the role access-manager first.");
        }
    }

    internal static HsmToken OpenHsm(ServerConfiguration configuration, TimeProvider time, Action<HsmEvent>? events)
    {
        try
        {
            return HsmToken.Open(configuration.Hsm, time, events);
        }
        catch (HsmException exception)
        {
            throw StartUpFailure.Of(exception)!;
        }
    }

    internal static IStore OpenStore(ServerConfiguration configuration, StoreMode mode, TimeProvider time) => configuration.SqlitePath is { } path
        ? SqliteStore.Open(new SqliteStoreOptions { Path = path, Mode = mode }, time)
        : PostgresStore.Open(configuration.Postgres! with { Mode = mode }, time);

    internal static async Task<RowAuthenticator> LoadIntegrityKeyAsync(
        IStore store, HsmToken hsm, ServerConfiguration configuration, CancellationToken cancellation)
    {
        var installation = await Installation.ReadAsync(store, cancellation)
            ?? throw new StartUpException(ExitCode.NotInitialised, await Restoration.PeekAsync(store, cancellation) is { } begun
                ? $"The store {configuration.StoreName} is not initialised: a restore was begun on {begun.BeginTime:u} and has not ended. Run restore again with the same bundles."
                : $"The store {configuration.StoreName} is empty. Run init with this configuration first.");
        var blob = installation.IntegrityKeyBlobs.FirstOrDefault(candidate => candidate.TokenId == hsm.TokenId)
            ?? throw new StartUpException(ExitCode.Configuration,
                $"The store {configuration.StoreName} belongs to another token "
                + $"({string.Join(", ", installation.IntegrityKeyBlobs.Select(known => known.TokenId))}); "
                + $"the configuration names {hsm.Info.TokenLabel} ({hsm.TokenId}). Correct hsm.tokenLabel or {configuration.StoreKey}.");
        await hsm.LoadIntegrityKeyAsync(blob.Blob, blob.CheckValue, cancellation);
        var rows = new RowAuthenticator(hsm.MacAsync);
        await Installation.VerifyAsync(store, rows, cancellation);
        await Installation.BeginRegistersAsync(store, rows, cancellation);
        return rows;
    }

    /// <summary>The store last: what ends before still writes its records.</summary>
    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        await Hsm.DisposeAsync();
        Contexts.Dispose();
    }
}
