using System.Globalization;
using System.Text;
using Google.Protobuf.WellKnownTypes;
using KeyService.Hsm;
using KeyService.Protocol.V1;
using KeyService.Server.Access;
using KeyService.Server.Alarms;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Backups;
using KeyService.Server.BreakGlass;
using KeyService.Server.Certificates;
using KeyService.Server.Destruction;
using KeyService.Server.Holdings;
using KeyService.Server.Hosting;
using KeyService.Server.Keys;
using KeyService.Server.Rotation;
using KeyService.Server.Storage;
using KeyService.Server.SystemStatus;
using Holding = KeyService.Server.Holdings.Holding;
using Wire = KeyService.Protocol.V1;

namespace KeyService.Server.Evidence;

/// <summary>
/// What the service can show an auditor: each thing read from its own register, verified as it is read. Nothing is in it that the service does not
/// know; what it does not know is said on the first page.
/// </summary>
internal sealed class EvidenceCollector(
    IStore store, RowAuthenticator rows, AccessRegister access, KeyQueries keys, AlarmBook alarms, BackupQueries backups,
    BackupConfiguration backupRules, CertificateListing certificates, AuditRetention retention, LogEvidence log, CeremonyEvidence ceremonies, AccessReviewEvidence accessReviews, ReviewEvidence reviews, RotationEvidence rotations, DecisionEvidence decisions,
    HsmToken hsm, ServerConfiguration configuration, TimeProvider time)
{
    private const int Page = 1000;

    private readonly HoldingTables _holdings = new(rows);
    private readonly DestructionTable _destructions = new(rows);
    private readonly BreakGlassTable _emergencies = new(rows);

    /// <summary>One after another, in the order of the index.</summary>
    /// <param name="withLog">Whoever makes the pack puts the audit log beside it.</param>
    /// <exception cref="StoreTamperedException">A register was changed outside the service: there is no evidence to give then.</exception>
    public async IAsyncEnumerable<EvidenceItem> CollectAsync(
        EvidenceRange range, bool withLog, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var snapshot = access.Current;
        yield return EvidenceItem.OfMessages(
            "access/principals.json", "Principals", "164.312(a)(2)(i)", "Everybody and everything that may call, with its one credential; disabled ones too.",
            snapshot.Principals.Values.Select(principal => principal.ToMessage()));
        yield return EvidenceItem.OfMessages(
            "access/grants.json", "Grants", "164.312(a)(1)", "Every grant ever given, revoked and expired ones too. By default nothing is allowed.",
            snapshot.Grants.Values.Select(grant => grant.ToMessage()));
        yield return Matrix(snapshot, now);
        yield return Conflicts(snapshot, now);
        foreach (var item in await accessReviews.CollectAsync(range, cancellationToken))
        {
            yield return item;
        }

        yield return await EmergenciesAsync(range, cancellationToken);
        var all = await KeysAsync(cancellationToken);
        yield return EvidenceItem.OfMessages(
            "keys/keys.json", "Keys and their ages", "164.312(a)(2)(iv)",
            "Each key with its policy, and its version that protects: since when, until when, how many encryptions are left. Periods are the site's own practice.",
            all.Select(KeyMessages.ToWire));
        yield return await rotations.CollectAsync(all, range, cancellationToken);
        yield return Exceptions(all, now);
        yield return decisions.Collect();
        var bundles = await BundlesAsync(cancellationToken);
        yield return EvidenceItem.OfMessages(
            "backup/bundles.json", "Backup bundles", "164.308(a)(7)(ii)(A)",
            $"Bundles that hold every key version under the backup key, and where their copies were last read whole. The gate is {(backupRules.Gate ? "on: no version protects before it is backed up" : "off: versions protect before they are backed up")}.",
            bundles.Select(BackupMessages.ToWire));
        yield return await ceremonies.CollectAsync(range, cancellationToken);
        var holdings = await HoldingsAsync(cancellationToken);
        yield return Coverage(holdings, all);
        yield return EvidenceItem.OfMessages(
            "data/destructions.json", "Destruction of keys", "164.310(d)(2)(i)", "What was asked to be destroyed, and how it ended.",
            (await DestructionsAsync(cancellationToken)).Select(DestructionsService.ToWire));
        var certificateList = await CertificatesAsync(cancellationToken);
        yield return EvidenceItem.OfMessages(
            "transmission/certificates.json", "Certificates", "164.312(e)(1)",
            "Certificates of this server, its authorities, and the clients that it has seen. Calls over TCP are mutual TLS 1.2 or 1.3 only.", certificateList);
        yield return await AlarmsAsync(range, cancellationToken);
        foreach (var item in await reviews.CollectAsync(range, cancellationToken))
        {
            yield return item;
        }

        yield return EvidenceItem.OfMessages(
            "audit/archives.json", "Archives of the audit log", "164.316(b)(2)(i)", "Months of the log that stand in files, until when they are kept, and which were deleted.",
            (await retention.ListAsync(cancellationToken)).Select(archive => new Struct
            {
                Fields =
                {
                    ["month"] = Value.ForString(archive.Month.ToString()), ["slot"] = Value.ForNumber(archive.Slot), ["first"] = Value.ForNumber(archive.First),
                    ["records"] = Value.ForNumber(archive.Past - archive.First), ["location"] = Value.ForString(archive.File.Location),
                    ["sha256"] = Value.ForString(Convert.ToHexStringLower(archive.File.Sha256)),
                    ["deleted"] = Value.ForString(archive.DeleteTime?.ToString("u", CultureInfo.InvariantCulture) ?? ""),
                },
            }));
        foreach (var item in await log.CollectAsync(range, withLog, cancellationToken))
        {
            yield return item;
        }

        yield return Inventory(all.Count, holdings.Count, certificateList.Count, snapshot);
    }

    private static EvidenceItem Matrix(AccessSnapshot snapshot, DateTimeOffset now)
    {
        var lines = snapshot.Principals.Values.Where(principal => !principal.Disabled)
            .SelectMany(principal => snapshot.GrantsOf(principal.Name).Where(grant => grant.IsEffective(now)), (principal, grant) => (principal, grant))
            .SelectMany(each => each.grant.Allowed.Distinct().Order().Select(permission => CsvLine.Of(
                each.principal.Name, PrincipalTypes.NameOf(each.principal.Type), Permissions.NameOf(permission), each.grant.KeyPattern.ToString(),
                EvidenceItem.TextOf(each.grant.ToMessage()), each.grant.IdText)))
            .ToList();
        return EvidenceItem.OfLines(
            "access/matrix.csv", "Effective access", "164.308(a)(4)", "Who may do what with which keys now: a line each principal, permission and grant.",
            "principal,type,permission,key_pattern,grant,grant_id", lines);
    }

    private EvidenceItem Conflicts(AccessSnapshot snapshot, DateTimeOffset now)
    {
        var lines = snapshot.Principals.Values.Where(principal => !principal.Disabled)
            .Select(principal => (principal.Name, Met: Separation.Find([.. snapshot.GrantsOf(principal.Name).Where(grant => grant.IsEffective(now))], access.Separation)))
            .Where(each => each.Met is not null).Select(each => CsvLine.Of(each.Name, each.Met!)).ToList();
        return EvidenceItem.OfLines(
            "access/conflicts.csv", "Separation of duties", "164.308(a)(3)", "Who holds what may not meet in one hand. Such a pair is refused when it is granted and when it is used; no line is the good answer.",
            "principal,pair", lines);
    }

    private async Task<EvidenceItem> EmergenciesAsync(EvidenceRange range, CancellationToken cancellationToken)
    {
        var uses = await store.ReadAsync(connection => _emergencies.ListAsync(connection, null, cancellationToken), cancellationToken);
        return EvidenceItem.OfMessages(
            "access/break-glass.json", "Emergency access", "164.312(a)(2)(ii)",
            "Emergency access asked for in the range, or asked for before and not reviewed by its end: who, why, confirmed by whom, from when to when, and the verdict of its review.",
            uses.Where(use => range.Has(use.AskTime) || (use.AskTime < range.From && (use.ReviewTime is null || use.ReviewTime >= range.From))).Select(BreakGlassService.ToMessage));
    }

    private async Task<List<KeyFacts>> KeysAsync(CancellationToken cancellationToken)
    {
        var all = new List<KeyFacts>();
        var after = "";
        while (await keys.ListNamesAsync("", after, Page, cancellationToken) is { Count: > 0 } names)
        {
            all.AddRange(await keys.FindAsync(names, cancellationToken));
            after = names[^1];
        }

        return all;
    }

    private async Task<List<BundleFacts>> BundlesAsync(CancellationToken cancellationToken)
    {
        var all = new List<BundleFacts>();
        while (await backups.ListAsync(all.Count == 0 ? long.MaxValue : all[^1].Row.Sequence, inForceOnly: true, Page, cancellationToken) is { Count: > 0 } page)
        {
            all.AddRange(page);
        }

        return all;
    }

    private Task<List<DestructionRow>> DestructionsAsync(CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            var all = new List<DestructionRow>();
            while (await _destructions.ListAsync(connection, all.Count == 0 ? long.MinValue : unchecked((long)all[^1].Id), Page, cancellationToken) is { Count: > 0 } page)
            {
                all.AddRange(page);
            }

            return all;
        },
        cancellationToken);

    private EvidenceItem Exceptions(List<KeyFacts> all, DateTimeOffset now)
    {
        var lines = all.Select(key => (key.Row.Name, Standing: RotationService.StandingOf(key.Row, key.Primary.Row, now)))
            .Where(each => each.Standing is KeyAgeStanding.Due or KeyAgeStanding.Overdue)
            .Select(each => CsvLine.Of("key", each.Name, each.Standing == KeyAgeStanding.Overdue ? "past its limit: encrypts nothing more" : "due to be rotated"))
            .ToList();
        lines.AddRange(all.Where(key => key.Row.Rotation.IsException).Select(key => CsvLine.Of(
            "key", key.Row.Name, string.Create(CultureInfo.InvariantCulture, $"rotated every {key.Row.Rotation.Period.TotalDays:0.##} days, an exception from {Keys.RotationPolicy.Default.Period.TotalDays:0.##}"))));
        lines.AddRange(alarms.View.Open().Select(alarm => CsvLine.Of("alarm", alarm.Subject, $"{AlarmKinds.NameOf(alarm.Kind)} since {alarm.RaiseTime:u}: {alarm.Message}")));
        if (hsm.DevelopmentOnly)
        {
            lines.Add(CsvLine.Of("hsm", hsm.Info.TokenLabel, "a software token: development only, its keys are as safe as its files"));
        }

        if (configuration.Profile == ServerProfile.Development)
        {
            lines.Add(CsvLine.Of("profile", "development", "the profile is for development and not for patient data"));
        }

        return EvidenceItem.OfLines(
            "exceptions.csv", "What is not as it should be", "164.308(a)(1)(ii)(B)", "Overdue keys, keys with an exception from the period of rotation, open alarms, and what makes this installation one for development.", "kind,subject,what", lines);
    }

    private Task<List<Holding>> HoldingsAsync(CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            await _holdings.VerifyRegistersAsync(connection, cancellationToken);
            var all = new List<Holding>();
            while (await _holdings.ListAsync(connection, all.Count == 0 ? "" : all[^1].Name, Page, cancellationToken) is { Count: > 0 } page)
            {
                all.AddRange(page);
            }

            return all;
        },
        cancellationToken);

    private static EvidenceItem Coverage(List<Holding> holdings, List<KeyFacts> all)
    {
        var lines = holdings.Where(holding => !holding.Retired).Select(holding => CsvLine.Of(
            holding.Name, holding.Location, holding.Owner, holding.KeyPattern.ToString(),
            $"{all.Count(key => holding.KeyPattern.Covers(key.Row.Name))}", holding.ScannedAt?.ToString("u", CultureInfo.InvariantCulture) ?? "never scanned")).ToList();
        lines.AddRange(all.Where(key => !holdings.Exists(holding => !holding.Retired && holding.KeyPattern.Covers(key.Row.Name)))
            .Select(key => CsvLine.Of("", "no data store is registered for this key", "", key.Row.Name, "1", "")));
        return EvidenceItem.OfLines(
            "data/coverage.csv", "Which data store is protected by which key", "164.312(a)(2)(iv)",
            "Data stores that are registered, and keys that no registered store uses. A store that nobody registered is not in it: the service cannot know it.",
            "data_store,location,owner,key_pattern,keys,last_scan", lines);
    }

    private async Task<List<Wire.Certificate>> CertificatesAsync(CancellationToken cancellationToken)
    {
        var all = new List<Wire.Certificate>();
        var token = "";
        do
        {
            var page = await certificates.PageAsync(new ListCertificatesRequest { PageSize = Page, PageToken = token }, cancellationToken);
            all.AddRange(page.Certificates);
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        return all;
    }

    private async Task<EvidenceItem> AlarmsAsync(EvidenceRange range, CancellationToken cancellationToken)
    {
        await alarms.RefreshAsync(cancellationToken);
        var raised = new List<Server.Alarms.Alarm>();
        Server.Alarms.Alarm? after = null;
        while (await alarms.PageAsync(openOnly: false, after, Page, cancellationToken) is { Count: > 0 } page)
        {
            raised.AddRange(page.Where(alarm => range.Has(alarm.RaiseTime) || (alarm.IsOpen && alarm.RaiseTime < range.Until)));
            after = page[^1];
        }

        return EvidenceItem.OfMessages(
            "alarms/alarms.json", "Alarms and what was done about them", "164.308(a)(1)(ii)(D)", "Alarms raised in the range or still open, who took notice of each, and what they wrote.",
            raised.Select(alarm => alarm.ToMessage()));
    }

    private EvidenceItem Inventory(int keyCount, int holdingCount, int certificateCount, AccessSnapshot snapshot)
    {
        var lines = new List<string>
        {
            CsvLine.Of("hsm", hsm.Info.TokenSerial, $"{hsm.Info.TokenLabel}, {hsm.Info.LibraryManufacturer} {hsm.Info.LibraryDescription}{(hsm.DevelopmentOnly ? ", DEVELOPMENT ONLY" : "")}"),
            CsvLine.Of("server", Environment.MachineName, $"version {SystemRpcs.Version}, profile {configuration.Profile.ToString().ToLowerInvariant()}, log slot {store.Slot}"),
            CsvLine.Of("store", configuration.StoreName, ""),
            CsvLine.Of("keys", $"{keyCount}", "keys/keys.json"),
            CsvLine.Of("data stores", $"{holdingCount}", "data/coverage.csv"),
            CsvLine.Of("certificates", $"{certificateCount}", "transmission/certificates.json"),
        };
        lines.AddRange(hsm.Guarantees.Select(guarantee => CsvLine.Of("hsm guarantee", guarantee.Name, $"{(guarantee.State == HsmGuaranteeState.Held ? "held" : "NOT HELD")}: {guarantee.Statement} {guarantee.Evidence}")));
        lines.AddRange(snapshot.Principals.Values.Where(principal => !principal.Disabled).GroupBy(principal => principal.Type).OrderBy(group => group.Key)
            .Select(group => CsvLine.Of("principals", $"{group.Count()}", PrincipalTypes.NameOf(group.Key))));
        return EvidenceItem.OfLines(
            "inventory.csv", "Inventory", "164.308(a)(1)(ii)(A)", "What this server knows of itself and what it works with. Other servers of the installation are in it only as log slots and certificates.",
            "kind,name,what", lines);
    }
}
