using System.Diagnostics.Metrics;
using KeyService.Client;
using KeyService.IntegrationTests.Service;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>The service is killed and comes back: without a grace nothing goes on past the lease, with one it does, for as long as it says.</summary>
public sealed class ServiceAwayTests(ServiceFixture service) : IClassFixture<ServiceFixture>, IAsyncLifetime
{
    private static readonly EncryptedColumn Ssn = new("ehr", "patient", "ssn");
    private static readonly byte[] Plaintext = "078-05-1120"u8.ToArray();
    private readonly FakeTime time = new();
    private SqliteConnection keeper = null!;
    private WrappedKeyTable table = null!;
    private KeyServiceClient client = null!;
    private string key = "";

    public async ValueTask InitializeAsync()
    {
        (keeper, table) = await SdkService.NewTableAsync();
        key = (await Calls.NewKeyAsync(service)).Name;
        client = service.Connect(service.Database, options => options with { TimeProvider = time, Attempts = 1 });
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await keeper.DisposeAsync();
    }

    private FieldEncryption Fields(TimeSpan grace, LeasePolicy? lease = null) => client.CreateFieldEncryption(
        new FieldEncryptionOptions { Key = key, Table = table, Lease = (lease ?? new LeasePolicy()) with { Grace = grace } });

    [Fact]
    public async Task Without_a_grace_the_lease_ends_with_a_clear_reason_and_begins_again_by_itself()
    {
        await using var fields = Fields(TimeSpan.Zero);
        var token = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), token.AsMemory()));
        var held = Assert.Single(fields.Keys.Keeper.Keys);
        await service.CrashAsync();
        try
        {
            // Inside its time a lease needs no service.
            Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), token.AsMemory()));
            await fields.EncryptAsync(Ssn.Row(2), Plaintext.AsMemory());

            time.Pass(TimeSpan.FromSeconds(61));
            await SdkService.RefusedAsync(ClientReason.Unreachable, () => fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory()).AsTask());
            await SdkService.RefusedAsync(ClientReason.Unreachable, () => fields.DecryptAsync(Ssn.Row(1), token.AsMemory()).AsTask());
            await SdkService.UntilAsync(() => held.IsZeroed, "a key whose lease ended is zeroed");
        }
        finally
        {
            await service.StartAsync();
        }
        await SdkService.UntilAsync(async () => await SucceedsAsync(() => fields.DecryptAsync(Ssn.Row(1), token.AsMemory()).AsTask()), "it goes on");
        await fields.EncryptAsync(Ssn.Row(3), Plaintext.AsMemory());
    }

    [Fact]
    public async Task With_a_grace_it_goes_on_that_long_and_the_audit_log_hears_of_it()
    {
        var counted = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, all) =>
        {
            if (instrument is { Meter.Name: "KeyService.Client", Name: "keyservice.client.grace.messages" })
            {
                all.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref counted, value));
        listener.Start();
        await using var fields = Fields(TimeSpan.FromSeconds(60));
        var token = await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), token.AsMemory()));
        await service.CrashAsync();
        try
        {
            time.Pass(TimeSpan.FromSeconds(70));
            for (var row = 1; row <= 5; row++)
            {
                await fields.EncryptAsync(Ssn.Row(row), Plaintext.AsMemory());
            }
            Assert.Equal(Plaintext, await fields.DecryptAsync(Ssn.Row(1), token.AsMemory()));
            Assert.Equal(6, Interlocked.Read(ref counted));
        }
        finally
        {
            await service.StartAsync();
        }
        await SdkService.UntilAsync(() => !fields.Keys.Keeper.IsAway, "the service is heard again");
        await fields.DisposeAsync();

        // A batch that was under way when the service left is sent again as it was; what came later follows.
        var grace = await service.RecordsAsync("data-key-grace-use-reported", key);
        var usual = await service.RecordsAsync("data-key-use-reported", key);
        Assert.NotEmpty(grace);
        Assert.Equal(8, grace.Concat(usual).Sum(record => record.ItemCount));
    }

    [Fact]
    public async Task A_grace_ends()
    {
        await using var fields = Fields(TimeSpan.FromSeconds(60));
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        var held = Assert.Single(fields.Keys.Keeper.Keys);
        await service.CrashAsync();
        try
        {
            time.Pass(TimeSpan.FromSeconds(121));
            await SdkService.RefusedAsync(ClientReason.Unreachable, () => fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory()).AsTask());
            await SdkService.UntilAsync(() => held.IsZeroed, "a key whose grace ended is zeroed");
        }
        finally
        {
            await service.StartAsync();
        }
    }

    [Fact]
    [Trait("Duration", "long")]
    public async Task A_machine_that_slept_does_not_trust_what_it_heard_before()
    {
        // No lease ends by its age in this test.
        await using var fields = Fields(TimeSpan.Zero, new LeasePolicy { MaxAge = TimeSpan.FromHours(1) });
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        var held = Assert.Single(fields.Keys.Keeper.Keys);

        // The service answers: it is heard again, and everything goes on.
        time.SetDayAhead(TimeSpan.FromHours(8));
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
        await SdkService.UntilAsync(() => held.IsZeroed, "what was held before the sleep is zeroed");
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());

        // Setting the time back moves no lease.
        time.SetDayAhead(TimeSpan.FromHours(-9));
        await LooksAsync(fields);
        await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());

        await service.CrashAsync();
        try
        {
            time.Pass(TimeSpan.FromSeconds(30));
            await fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory());
            // No time passes on the monotonic clock, as while a machine sleeps.
            time.SetDayAhead(TimeSpan.FromHours(8));
            await SdkService.UntilAsync(() => fields.Keys.Keeper.Keys.All(each => each.IsClosed), "no lease outlives the sleep");
            await SdkService.RefusedAsync(ClientReason.Unreachable, () => fields.EncryptAsync(Ssn.Row(1), Plaintext.AsMemory()).AsTask());
        }
        finally
        {
            await service.StartAsync();
        }
    }

    // Until the client has looked at its clocks from the beginning: steps of the clock between two looks would be seen as one.
    private static async Task LooksAsync(FieldEncryption fields)
    {
        var (looks, tick) = (0, fields.Keys.Keeper.Ticked);
        fields.Keys.Keeper.Ticked = () =>
        {
            tick?.Invoke();
            Interlocked.Increment(ref looks);
        };
        await SdkService.UntilAsync(() => Volatile.Read(ref looks) >= 2, "the client looks at its clocks");
    }

    private static async Task<bool> SucceedsAsync(Func<Task> call)
    {
        try
        {
            await call();
            return true;
        }
        catch (KeyServiceException e) when (e.Reason == ClientReason.Unreachable)
        {
            return false;
        }
    }
}
