using KeyService.Crypto;
using KeyService.IntegrationTests.Hsm;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.DataKeys;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Rotation;
using AuditOutcome = KeyService.Crypto.AuditOutcome;
using KeyState = KeyService.Server.Keys.KeyState;
using RotationPolicy = KeyService.Server.Keys.RotationPolicy;

namespace KeyService.IntegrationTests.Rotation;

/// <summary>The life of versions: on time, in an emergency, by budget, behind a closed gate. The clock is the test's.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class KeyLifecycleTests(SoftHsmDirectory softHsm) : IClassFixture<SoftHsmDirectory>
{
    private static readonly Server.DataKeys.DataKeyBinding Binding = new(AadPurpose.DataKeyGeneral, [], EncryptionContext.Empty);

    [Fact]
    public async Task Two_versions_always_wait_and_the_older_one_is_activated_when_the_period_is_over()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var first = await rotation.Keys.CreateAsync("calendar");
        await rotation.SettleAsync();
        var waiting = (await rotation.Keys.VersionsAsync("calendar")).Where(each => each.State == KeyState.PreActivation)
            .OrderBy(each => (each.CreateTime, each.Id.Value)).Select(each => each.Id).ToList();
        Assert.Equal(2, waiting.Count);

        rotation.Time.Pass(TimeSpan.FromDays(90) - TimeSpan.FromSeconds(1));
        await rotation.SettleAsync();
        Assert.Equal(first, (await rotation.Keys.RowAsync("calendar")).PrimaryVersion);

        rotation.Time.Pass(TimeSpan.FromSeconds(1));
        await rotation.SettleAsync();
        var row = await rotation.Keys.RowAsync("calendar");
        Assert.Contains(row.PrimaryVersion, waiting);
        Assert.Equal((2L, rotation.Time.GetUtcNow().AddDays(90)), (row.WaitingVersions, row.RotateTime));
        var versions = await rotation.Keys.VersionsAsync("calendar");
        Assert.Equal(4, versions.Count);
        Assert.Equal(KeyState.Deactivated, versions.Single(each => each.Id == first).State);
        var history = await TransitionsAsync(rotation, row.PrimaryVersion);
        Assert.Equal([KeyState.PreActivation, KeyState.Active], history.Select(each => each.To));
        Assert.Equal((StateChange.Service, "rotated, on time"), (history[1].Change.By, history[1].Change.Reason));
    }

    [Fact]
    public async Task Past_its_limit_a_key_refuses_to_protect_and_goes_on_opening_what_it_protected()
    {
        // Nobody rotates: the gate is closed.
        await using var rotation = await RotationInProcess.StartAsync(softHsm, _ => false);
        await rotation.Keys.CreateAsync("aging", new RotationPolicy(TimeSpan.FromDays(90), TimeSpan.FromDays(100), TimeSpan.FromDays(14)));
        var wrapped = await GenerateAsync(rotation, "aging");

        rotation.Time.Pass(TimeSpan.FromDays(100));
        await rotation.SettleAsync();
        await GenerateAsync(rotation, "aging");
        rotation.Time.Pass(TimeSpan.FromTicks(1));
        await rotation.SettleAsync();
        var refusal = await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(rotation, "aging"));
        Assert.Equal(Reason.KeyOverdue, refusal.Reason);
        Assert.Contains("older than 100 days", refusal.Message, StringComparison.Ordinal);
        await OpenAsync(rotation, wrapped);
    }

    [Fact]
    public async Task A_gate_that_opens_lets_the_version_through_that_stands_in_the_bundle_and_no_other()
    {
        var backedUp = new HashSet<KeyVersionId>();
        await using var rotation = await RotationInProcess.StartAsync(softHsm, backedUp.Contains);
        var first = await rotation.Keys.CreateAsync("gated");
        await rotation.SettleAsync();
        rotation.Time.Pass(TimeSpan.FromDays(90));
        await rotation.SettleAsync();
        Assert.Equal(first, (await rotation.Keys.RowAsync("gated")).PrimaryVersion);

        // The second that waits, not the first: age is no claim.
        var second = (await rotation.Keys.VersionsAsync("gated")).Where(each => each.State == KeyState.PreActivation).MaxBy(each => each.Id.Value)!.Id;
        backedUp.Add(second);
        await rotation.SettleAsync();
        Assert.Equal(second, (await rotation.Keys.RowAsync("gated")).PrimaryVersion);
    }

    [Fact]
    public async Task A_key_made_while_a_backup_is_demanded_protects_from_the_moment_its_version_is_backed_up()
    {
        var open = false;
        await using var rotation = await RotationInProcess.StartAsync(softHsm, _ => open);
        var first = await rotation.Keys.CreateAsync("born-waiting", state: KeyState.PreActivation);
        rotation.Time.Pass(TimeSpan.FromSeconds(1));
        await rotation.SettleAsync();
        var refusal = await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(rotation, "born-waiting"));
        Assert.Equal(Reason.KeyState, refusal.Reason);
        Assert.Contains("waits for its first backup", refusal.Message, StringComparison.Ordinal);

        open = true;
        await rotation.SettleAsync();
        await GenerateAsync(rotation, "born-waiting");
        var row = await rotation.Keys.RowAsync("born-waiting");
        Assert.Equal((first, 2L), (row.PrimaryVersion, row.WaitingVersions));
        Assert.All(await rotation.Keys.VersionsAsync("born-waiting"), each => Assert.NotEqual(KeyState.Deactivated, each.State));
    }

    [Fact]
    public async Task At_half_of_its_wraps_a_version_is_replaced()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var first = await rotation.Keys.CreateAsync("busy");
        await rotation.SettleAsync();
        await rotation.Keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyWrapsReserved),
            transaction => new KeyMaterialTables(rotation.Keys.Rows).PutWrapCountAsync(
                transaction, new WrapCountRow(first, WrapBudget.Half - 1, Revision: 2)),
            default);
        await GenerateAsync(rotation, "busy");
        Assert.Equal(rotation.Time.GetUtcNow(), (await rotation.Keys.RowAsync("busy")).RotateTime);
        await rotation.SettleAsync();
        Assert.NotEqual(first, (await rotation.Keys.RowAsync("busy")).PrimaryVersion);
    }

    [Fact]
    public async Task A_suspended_key_protects_nothing_and_no_calendar_wakes_it_until_a_person_does()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var first = await rotation.Keys.CreateAsync("paused");
        var wrapped = await GenerateAsync(rotation, "paused");
        await ChangeAsync(rotation, "paused", KeyState.Suspended);
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(rotation, "paused"))).Reason);
        await OpenAsync(rotation, wrapped);

        rotation.Time.Pass(TimeSpan.FromDays(120));
        rotation.Restart();
        await rotation.SettleAsync();
        Assert.Equal(first, (await rotation.Keys.RowAsync("paused")).PrimaryVersion);
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(rotation, "paused"))).Reason);

        await ChangeAsync(rotation, "paused", KeyState.Active);
        await rotation.SettleAsync();
        Assert.NotEqual(first, (await rotation.Keys.RowAsync("paused")).PrimaryVersion);
        await GenerateAsync(rotation, "paused");
    }

    [Fact]
    public async Task A_suspension_that_stops_decryption_stops_it_until_the_version_is_resumed()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        await rotation.Keys.CreateAsync("stopped");
        var wrapped = await GenerateAsync(rotation, "stopped");
        await ChangeAsync(rotation, "stopped", KeyState.Suspended, stopProcessing: true);
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => OpenAsync(rotation, wrapped))).Reason);
        rotation.Restart();
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => OpenAsync(rotation, wrapped))).Reason);
        await ChangeAsync(rotation, "stopped", KeyState.Active);
        await OpenAsync(rotation, wrapped);
    }

    [Fact]
    public async Task A_compromised_version_is_replaced_and_says_since_when_and_when_it_was_said()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var first = await rotation.Keys.CreateAsync("exposed");
        var wrapped = await GenerateAsync(rotation, "exposed");
        await rotation.SettleAsync();
        rotation.Time.Pass(TimeSpan.FromDays(10));
        var since = rotation.Time.GetUtcNow().AddDays(-3);
        await ChangeAsync(rotation, "exposed", KeyState.Compromised, suspectedSince: since);
        Assert.Equal(RotationOutcome.Rotated, await rotation.Rotation.RotateAsync("exposed", default));

        var exposed = (await rotation.Keys.VersionsAsync("exposed")).Single(each => each.Id == first);
        Assert.Equal(
            (KeyState.Compromised, since, rotation.Time.GetUtcNow()),
            (exposed.State, exposed.SuspectedSince!.Value, exposed.CompromiseProcessedTime!.Value));
        await OpenAsync(rotation, wrapped);
        await GenerateAsync(rotation, "exposed");
        Assert.NotEqual(first, (await rotation.Keys.RowAsync("exposed")).PrimaryVersion);
    }

    [Theory]
    [InlineData(KeyState.Compromised, KeyState.Active)]
    [InlineData(KeyState.Compromised, KeyState.Suspended)]
    [InlineData(KeyState.Deactivated, KeyState.Suspended)]
    [InlineData(KeyState.Active, KeyState.Active)]
    public async Task An_illegal_transition_is_refused_and_changes_nothing(object from, object to)
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var name = $"illegal/{Guid.NewGuid():N}";
        var id = await rotation.Keys.CreateAsync(name);
        if ((KeyState)from != KeyState.Active)
        {
            await ChangeAsync(rotation, name, (KeyState)from);
        }

        var before = await rotation.Keys.VersionsAsync(name);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => ChangeAsync(rotation, name, (KeyState)to, version: id));
        Assert.Equal(Reason.KeyState, refusal.Reason);
        Assert.Equal(before.Select(each => each.Revision), (await rotation.Keys.VersionsAsync(name)).Select(each => each.Revision));
    }

    [Fact]
    public async Task A_jump_of_years_is_worked_off_at_the_pace_of_every_other_day()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        for (var i = 0; i < 12; i++)
        {
            await rotation.Keys.CreateAsync($"jump/{i:00}");
        }

        await rotation.SettleAsync();
        rotation.Time.Pass(TimeSpan.FromDays(3 * 365));
        Assert.Equal(5, await rotation.Worker.LookAsync(5, default));
        var rotated = 0;
        for (var i = 0; i < 12; i++)
        {
            rotated += (await rotation.Keys.VersionsAsync($"jump/{i:00}")).Any(each => each.State == KeyState.Deactivated) ? 1 : 0;
        }

        Assert.Equal(5, rotated);
        // And not three years' worth of rotations each: one, and the next in 90 days.
        await rotation.SettleAsync();
        Assert.Equal(4, (await rotation.Keys.VersionsAsync("jump/00")).Count);
    }

    [Fact]
    public async Task The_ledger_counts_what_is_due_near_and_to_prepare()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var empty = await rotation.Ledger.CountAsync(rotation.Time.GetUtcNow(), default);
        Assert.Equal((0L, 0L, null, null), (empty.Keys, empty.Due, empty.OldestDueAt, empty.NextAt));
        await rotation.Keys.CreateAsync("ledger/old");
        rotation.Time.Pass(TimeSpan.FromDays(80));
        await rotation.Keys.CreateAsync("ledger/new");
        var near = await rotation.Ledger.CountAsync(rotation.Time.GetUtcNow(), default);
        Assert.Equal((2L, 0L, 1L, 2L), (near.Keys, near.Due, near.Near, near.ToPrepare));
        rotation.Time.Pass(TimeSpan.FromDays(10));
        var due = await rotation.Ledger.CountAsync(rotation.Time.GetUtcNow(), default);
        Assert.Equal((1L, 0L), (due.Due, due.Near));
        Assert.Equal(Server.Storage.UnixTime.Nanoseconds(rotation.Time.GetUtcNow()), due.OldestDueAt);
        await rotation.SettleAsync();
        Assert.Equal(0, (await rotation.Ledger.CountAsync(rotation.Time.GetUtcNow(), default)).ToPrepare);
    }

    [Fact]
    public async Task A_tampered_key_does_not_keep_the_others_from_being_rotated()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        await rotation.Keys.CreateAsync("a/tampered");
        var second = await rotation.Keys.CreateAsync("b/well");
        await rotation.SettleAsync();
        await rotation.Keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.StatusRead) { Automated = true },
            transaction => Dapper.SqlMapper.ExecuteAsync(
                transaction.Connection, "UPDATE keys SET limit_seconds = limit_seconds + 1 WHERE name = 'a/tampered'"),
            default);
        rotation.Time.Pass(TimeSpan.FromDays(90));
        await rotation.SettleAsync();
        Assert.NotEqual(second, (await rotation.Keys.RowAsync("b/well")).PrimaryVersion);
    }

    [Fact]
    public async Task A_key_that_the_server_with_the_rotation_leaves_to_age_is_told_of_by_another_until_it_was_rotated()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        await rotation.Keys.CreateAsync("left/near", new RotationPolicy(TimeSpan.FromDays(90), TimeSpan.FromDays(95), TimeSpan.FromDays(14)));
        await rotation.Keys.CreateAsync("left/far");
        await rotation.SettleAsync();

        // The one that rotates hangs from here on; this one does not have the rotation and looks all the same.
        rotation.Time.Pass(TimeSpan.FromDays(90));
        await rotation.Worker.LookAtAgesAsync(default);
        Assert.Empty(await StandingAsync());
        rotation.Time.Pass(TimeSpan.FromHours(1));
        await rotation.Worker.LookAtAgesAsync(default);
        Assert.Equal(["left/near"], await StandingAsync());
        rotation.Time.Pass(TimeSpan.FromDays(80));
        await rotation.Worker.LookAtAgesAsync(default);
        Assert.Equal(["left/far", "left/near"], await StandingAsync());

        // By hand, as the alarm says: nobody else would take it back.
        await rotation.Keys.RotateAsync("left/near");
        rotation.Time.Pass(TimeSpan.FromHours(1));
        await rotation.Worker.LookAtAgesAsync(default);
        Assert.Equal(["left/far"], await StandingAsync());
        await rotation.SettleAsync();
        Assert.Empty(await StandingAsync());

        async Task<IEnumerable<string>> StandingAsync() =>
            (await rotation.Rotation.ListAgingAsync(default)).Order(StringComparer.Ordinal);
    }

    [Fact]
    public async Task What_was_done_with_a_version_is_added_up_for_each_principal()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var id = await rotation.Keys.CreateAsync("metered");
        using var meter = new KeyUseMeter(
            rotation.Keys.Store, rotation.Keys.Rows, rotation.Time, Microsoft.Extensions.Logging.Abstractions.NullLogger<KeyUseMeter>.Instance);
        for (var round = 0; round < 2; round++)
        {
            meter.Count(new AuditRecordDraft(AuditEvent.FieldsEncrypted) { Principal = "ehr", KeyVersion = id, ItemCount = 10, ByteCount = 1000 });
            meter.Count(new AuditRecordDraft(AuditEvent.FieldDecrypted) { Principal = "ehr", KeyVersion = id, ByteCount = 100 });
            meter.Count(new AuditRecordDraft(AuditEvent.DataKeyGenerated) { Principal = "backup", KeyVersion = id, ItemCount = 1 });
            meter.Count(new AuditRecordDraft(AuditEvent.FieldDecrypted) { Principal = "ehr", KeyVersion = id, Outcome = AuditOutcome.Refused });
            await meter.FlushAsync(default);
            rotation.Time.Pass(TimeSpan.FromMinutes(1));
        }

        var uses = await new KeyQueries(rotation.Keys.Store, rotation.Keys.Rows).ListUsesAsync("metered", 10, default);
        var ehr = uses.Single(use => use.Principal == "ehr");
        Assert.Equal((20L, 2000L, 2L, 200L), (ehr.ProtectedItems, ehr.ProtectedBytes, ehr.ProcessedItems, ehr.ProcessedBytes));
        Assert.Equal(TimeSpan.FromMinutes(1), ehr.LastTime - ehr.FirstTime);
        Assert.Equal(2, uses.Single(use => use.Principal == "backup").ProtectedItems);
    }

    /// <summary>The order in which it goes wrong: our commit, theirs, word of theirs, and only then do we take over our own.</summary>
    [Fact]
    public async Task A_suspension_by_another_server_is_not_hidden_by_a_change_of_our_own_that_is_taken_over_late()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var id = await rotation.Keys.CreateAsync("raced");
        var forgotten = rotation.Keys.Ring.Forgotten;
        var (key, version) = (await rotation.Keys.RowAsync("raced"), (await rotation.Keys.VersionsAsync("raced")).Single(each => each.Id == id));

        using var theirs = new KeyRing(rotation.Keys.Store, rotation.Keys.Rows, rotation.Keys.Token, rotation.Time, capacity: 100);
        await rotation.Keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyVersionStateChanged),
            transaction => new KeyChanges(theirs, rotation.Keys.Maker, rotation.Keys.Rows).ChangeStateAsync(
                transaction, "raced", null, KeyState.Suspended, new StateChange(transaction.Time, "officer", "drill"), false, null),
            default);
        rotation.Keys.Ring.Forget("raced");
        rotation.Keys.Ring.Apply(forgotten, key, version);
        Assert.Equal(Reason.KeyState, (await Assert.ThrowsAsync<Refusal>(() => GenerateAsync(rotation, "raced"))).Reason);
    }

    [Fact]
    public async Task A_key_that_another_server_rotates_while_it_is_read_protects()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var first = await rotation.Keys.CreateAsync("read");
        await using var store = new InterruptedStore(rotation.Keys.Store);
        using var cold = new KeyRing(store, rotation.Keys.Rows, rotation.Keys.Token, rotation.Time, capacity: 100);
        store.AfterNextRead = () => rotation.Keys.RotateAsync("read");
        var key = (await cold.FindAsync("read", default))!;
        Assert.Equal(KeyState.Deactivated, (await rotation.Keys.VersionsAsync("read")).Single(each => each.Id == first).State);
        // As it was read: that it was rotated is told in a moment.
        Assert.Equal(first, key.ForProtection(rotation.Time.GetUtcNow()).Id);
    }

    [Fact]
    public async Task The_ring_holds_no_more_than_its_capacity_and_evicted_keys_work_again()
    {
        await using var rotation = await RotationInProcess.StartAsync(softHsm);
        var wrapped = new List<byte[]>();
        using var small = new KeyRing(rotation.Keys.Store, rotation.Keys.Rows, rotation.Keys.Token, rotation.Time, capacity: 100);
        var maker = new DataKeyMaker(small, rotation.Keys.Token, rotation.Time);
        for (var i = 0; i < 150; i++)
        {
            await rotation.Keys.CreateAsync($"many/{i:000}");
            wrapped.Add(await GenerateAsync(maker, $"many/{i:000}"));
        }

        Assert.InRange(small.Count, 50, 100);
        foreach (var each in wrapped)
        {
            Assert.True(await TryOpenAsync(small, maker, each));
        }
    }

    private static Task ChangeAsync(
        RotationInProcess rotation, string name, KeyState to, KeyVersionId? version = null, bool stopProcessing = false,
        DateTimeOffset? suspectedSince = null) =>
        rotation.Keys.Store.CommitAsync(
            new AuditRecordDraft(AuditEvent.KeyVersionStateChanged),
            transaction => rotation.Keys.Changes.ChangeStateAsync(
                transaction, name, version, to, new StateChange(transaction.Time, "officer", "drill"), stopProcessing, suspectedSince),
            default);

    private static Task<IReadOnlyList<Server.Keys.KeyTransition>> TransitionsAsync(RotationInProcess rotation, KeyVersionId id) =>
        rotation.Keys.Store.ReadAsync(
            async connection => await new KeyTransitionTable(rotation.Keys.Rows).ListAsync(
                connection, (await new KeyTables(rotation.Keys.Rows).FindVersionAsync(connection, null, id, default))!, default),
            default);

    private static Task<byte[]> GenerateAsync(RotationInProcess rotation, string name) =>
        GenerateAsync(new DataKeyMaker(rotation.Keys.Ring, rotation.Keys.Token, rotation.Time), name);

    private static async Task<byte[]> GenerateAsync(DataKeyMaker maker, string name)
    {
        var version = await maker.FindForWrappingAsync(name, default);
        using var plaintext = new PlaintextKeys(1);
        var wrapped = new byte[WrappedDataKey.Length];
        await maker.GenerateAsync(version, Binding, null, 1, plaintext, wrapped, default);
        return wrapped;
    }

    private static async Task OpenAsync(RotationInProcess rotation, byte[] wrapped) => Assert.True(await TryOpenAsync(
        rotation.Keys.Ring, new DataKeyMaker(rotation.Keys.Ring, rotation.Keys.Token, rotation.Time), wrapped));

    private static async Task<bool> TryOpenAsync(KeyRing ring, DataKeyMaker maker, byte[] wrapped)
    {
        Assert.True(WrappedDataKey.TryParse(wrapped, out var parsed));
        var version = (await ring.FindVersionAsync(parsed.VersionId, default))!;
        DataKeyRewrapping.DemandProcessing(version);
        using var plaintext = new PlaintextKeys(1);
        return await maker.TryUnwrapAsync(version, Binding, wrapped, plaintext, default);
    }
}
