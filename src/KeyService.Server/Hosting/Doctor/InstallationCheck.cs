using Dapper;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Restore;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Postgres;
using KeyService.Server.Storage.Sqlite;
using KeyService.Server.Trust;

namespace KeyService.Server.Hosting;

/// <summary>
/// Token, store and grants as a start would find them, without changing anything: the store is opened for reading beside a
/// running server. A wrong PIN is tried once, as a start would.
/// </summary>
internal sealed class InstallationCheck(ServerConfiguration configuration, TimeProvider time)
{
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);
    private readonly List<Finding> _findings = [];
    private TrustFiles _files = new(configuration.DataDirectory);

    /// <summary>Time of the newest audit record, once the store was read.</summary>
    public DateTimeOffset? NewestRecord { get; private set; }

    /// <summary>Whether another process holds the store, once it was looked at.</summary>
    public bool ServerRuns { get; private set; }

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellation)
    {
        var hsm = OpenHsm();
        try
        {
            await using var store = OpenStore();
            if (store is not null)
                await LookIntoAsync(store, hsm, cancellation);
        }
        finally
        {
            if (hsm is not null)
                await hsm.DisposeAsync();
        }
        return _findings;
    }

    private HsmToken? OpenHsm()
    {
        const string check = "hsm";
        try
        {
            var hsm = HsmToken.Open(configuration.Hsm, time);
            _findings.Add(Finding.Good(check, $"Token {hsm.Info.TokenLabel} ({hsm.TokenId}) opened with {hsm.Info.ModulePath}."));
            if (hsm.DevelopmentOnly)
                _findings.Add(Finding.Warning(
                    check, "DEVELOPMENT ONLY: this module keeps its keys in files of this host.", "Use a hardware token for real data."));
            if (!hsm.HasHierarchy)
                _findings.Add(Finding.Problem(check, "The token holds no root key.", $"Run init --config {configuration.FilePath} once."));
            foreach (var broken in hsm.Guarantees.Where(guarantee => guarantee.State == HsmGuaranteeState.Broken))
            {
                _findings.Add(Finding.Warning(check, $"The module does not hold {broken.Name}: {broken.Evidence}",
                    broken.RequiredInProduction ? "The production profile will refuse this module."
                        : "Know it; nothing depends on it alone."));
            }
            return hsm;
        }
        catch (HsmException exception)
        {
            _findings.Add(Finding.Problem(check, exception.Message, FixOf(exception.Fault)));
            return null;
        }
    }

    private IStore? OpenStore()
    {
        try
        {
            ServerRuns = configuration.SqlitePath is { } path
                ? File.Exists(path) && StoreLock.IsHeld(path)
                : PostgresStore.IsServed(configuration.Postgres!);
            var store = ServiceCore.OpenStore(configuration, StoreMode.ReadOnly, time);
            foreach (var warning in store.Warnings)
                _findings.Add(Finding.Warning("store", warning.Replace("Warning: ", "", StringComparison.Ordinal), "docs/operations.md says what to do."));
            return store;
        }
        catch (StoreOpenException exception)
        {
            _findings.Add(Finding.Problem("store", exception.Message,
                exception.Fix.Length > 0 ? exception.Fix : $"Run init --config {configuration.FilePath} once, or correct {configuration.StoreKey}."));
            return null;
        }
    }

    private async Task LookIntoAsync(IStore store, HsmToken? hsm, CancellationToken cancellation)
    {
        try
        {
            NewestRecord = await ReadNewestAsync(store, cancellation);
            if (await Installation.ReadAsync(store, cancellation) is not { } installation)
            {
                _findings.Add(await Restoration.PeekAsync(store, cancellation) is { } begun
                    ? Finding.Problem(
                        "store", $"{configuration.StoreName} holds a restore that was begun on {begun.BeginTime:u} and has not ended.", "Run restore again with the same bundles.")
                    : Finding.Problem(
                        "store", $"{configuration.StoreName} holds no installation.", $"Run init --config {configuration.FilePath} once."));
                return;
            }
            _files = TrustFiles.Of(configuration.DataDirectory, installation);
            if (hsm is null)
            {
                _findings.Add(Finding.Warning("store",
                    $"{configuration.StoreName} can be read; without the token its rows cannot be verified.", "Mend the token first."));
                return;
            }
            if (installation.IntegrityKeyBlobs.FirstOrDefault(blob => blob.TokenId == hsm.TokenId) is not { } blob)
            {
                _findings.Add(Finding.Problem("store", $"{configuration.StoreName} belongs to another token.",
                    $"Correct hsm.tokenLabel, hsm.tokenSerial or {configuration.StoreKey}."));
                return;
            }
            await hsm.LoadIntegrityKeyAsync(blob.Blob, blob.CheckValue, cancellation);
            var rows = new RowAuthenticator(hsm.MacAsync);
            await Installation.VerifyAsync(store, rows, cancellation);
            var access = await AccessRegister.LoadAsync(store, rows, time, cancellation);
            _findings.Add(Finding.Good("store", $"{configuration.StoreName} can be read and its rows verify."));
            LookAtGrants(access.Current);
            await LookAtWhatWasSeenAsync(store, rows, cancellation);
            await ScrubAsync(store, rows, cancellation);
        }
        catch (StoreTamperedException exception)
        {
            _findings.Add(Finding.Problem("store", exception.Message, "Restore the store from a backup and find out who changed it."));
        }
        catch (StoreUnavailableException exception)
        {
            _findings.Add(Finding.Problem("store", exception.Message, "Look at the database, or at the disk and the file's permissions."));
        }
        catch (HsmException exception)
        {
            _findings.Add(Finding.Problem("hsm", exception.Message, FixOf(exception.Fault)));
        }
    }

    private async Task LookAtWhatWasSeenAsync(IStore store, RowAuthenticator rows, CancellationToken cancellation)
    {
        if (await StoreSeen.ReadAsync(StoreSeen.File(_files, rows), cancellation) is not { } seen)
            return;
        if (NewestRecord is null || seen.NewestTime > NewestRecord)
            NewestRecord = seen.NewestTime;
        var difference = await store.ReadAsync(
            async connection => await seen.DifferenceAsync(connection, null) is { } found
                && await seen.NewAcceptanceAsync(connection, await StoreAcceptance.ReadAsync(connection, null, rows, cancellation)) is null ? found : null,
            cancellation);
        if (difference is not null)
            _findings.Add(Finding.Problem("store", $"The database was put back to an earlier day: {difference}. Nothing is encrypted until an officer accepts it.",
                "If it was you who restored it: keyservice store accept --reason …. If not, find out who did."));
    }

    private async Task ScrubAsync(IStore store, RowAuthenticator rows, CancellationToken cancellation)
    {
        ScrubReport report;
        try
        {
            report = await new Scrub(store, rows, DecidingTables.All, _files.ScrubDirectory, time).RunAsync(keep: false, cancellation, anew: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _findings.Add(Finding.Warning("store", $"Rows could not be compared with the log: {exception.Message}", $"Give room in {configuration.DataDirectory}."));
            return;
        }
        foreach (var log in report.Logs)
            LookAtLog(log);
        if (report.FindingCount == 0)
            _findings.Add(Finding.Good("store", $"{report.Summary}."));
        foreach (var found in report.Findings)
            _findings.Add(Finding.Problem("store", $"Table {found.Table}, row {found.RowId}: {found.Finding}.",
                "Find out who changed the database; restore what is missing from a backup, and accept it: docs/operations.md."));
    }

    private void LookAtGrants(AccessSnapshot access)
    {
        var now = time.GetUtcNow();
        var valid = access.Grants.Values.Where(grant => !grant.Revoked && (grant.ExpireTime is null || grant.ExpireTime > now)).ToList();
        var enabled = access.Principals.Values.Where(principal => !principal.Disabled).Select(principal => principal.Name)
            .ToHashSet(StringComparer.Ordinal);
        var administrators = valid
            .Where(grant => grant.Permissions.Contains(Permission.AdministerAccess) && enabled.Contains(grant.Principal))
            .Select(grant => grant.Principal).Distinct().ToList();
        var names = string.Join(", ", administrators);
        _findings.Add(administrators.Count > 0
            ? Finding.Good("grants", $"{enabled.Count} principals, {valid.Count} grants; administrators: {names}.")
            : Finding.Problem("grants", "No enabled principal may administer access: nobody can grant anything.",
                "Restore the store from a backup that has an administrator."));
        foreach (var grant in valid.Where(grant => grant.ExpireTime is { } end && end - now < Soon))
            _findings.Add(Finding.Warning(
                "grants", $"The grant {grant.Id:x16} of {grant.Principal} ends {grant.ExpireTime:u}.", "Make a new one in time."));
    }

    private void LookAtLog(AuditReport report)
    {
        if (report.Findings.Count == 0)
            _findings.Add(Finding.Good("audit",
                $"Log {report.Slot}: {report.Records} records without a gap, each its leaf hash; the first {report.MarkedSize} are those that were marked."));
        foreach (var finding in report.Findings)
        {
            _findings.Add(Finding.Problem("audit", $"Record {report.Slot}/{finding.Sequence}: {finding.Finding}.",
                "Keep the file as evidence, compare it with a backup, and find out who changed it."));
        }
    }

    private static async Task<DateTimeOffset?> ReadNewestAsync(IStore store, CancellationToken cancellation)
    {
        DateTimeOffset? newest = null;
        foreach (var slot in await AuditLog.ReadSlotsAsync(store, cancellation))
        {
            var bytes = await store.ReadAsync(connection => connection.QueryFirstOrDefaultAsync<byte[]>(
                "SELECT record FROM audit_records WHERE slot = @slot ORDER BY sequence DESC LIMIT 1", new { slot = (long)slot }), cancellation);
            if (bytes is not null && AuditRecord.TryParse(bytes, out var record) && UnixTime.FromNanoseconds(record!.TimeUnixNanoseconds) is var time
                && (newest is null || time > newest))
                newest = time;
        }
        return newest;
    }

    private static string FixOf(HsmFault fault) => fault switch
    {
        HsmFault.PinIncorrect => "Put the right PIN into hsm.pinFile. Do not try again and again: tokens lock.",
        HsmFault.PinLocked => "A security officer must unlock the user PIN.",
        HsmFault.PinUnavailable => "Put the PIN into the first line of hsm.pinFile, mode 0600.",
        HsmFault.TokenNotFound => "Correct hsm.tokenLabel or hsm.tokenSerial, plug the token in, or (SoftHSM) set SOFTHSM2_CONF.",
        HsmFault.ModuleNotFound => "Correct hsm.module: the path of the PKCS#11 library.",
        _ => "Look at the token and its driver.",
    };
}
