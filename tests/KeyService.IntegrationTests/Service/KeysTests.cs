using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

[Collection(RunningService.Name)]
public sealed class KeysTests(ServiceFixture service) : IDisposable
{
    private readonly GrpcChannel administrator = service.ConnectAs("administrator");
    private readonly GrpcChannel database = service.ConnectAs("database");

    private Keys.KeysClient Admin => new(administrator);

    private Keys.KeysClient User => new(database);

    [Fact]
    public async Task A_new_key_has_one_active_version_and_the_policy_it_was_given()
    {
        var name = $"created/{Guid.NewGuid():N}";
        var period = Duration.FromTimeSpan(TimeSpan.FromDays(120));
        var key = (await Admin.CreateKeyAsync(Request(name, period))).Key;

        Assert.Equal((name, KeyPurpose.EncryptDecrypt, 1, 1L), (key.Name, key.Purpose, key.VersionCount, key.Revision));
        Assert.Equal(period, key.Rotation.Period);
        Assert.Equal(KeyState.Active, key.Primary.State);
        Assert.Matches("^[0-9a-f]{16}$", key.Primary.Id);
        Assert.Matches("^[0-9a-f]{8}$", key.Primary.CheckValue);
        Assert.Equal(key.Primary.ActivateTime.ToDateTimeOffset().AddDays(120), key.Primary.RotateTime.ToDateTimeOffset());
        Assert.Equal(2UL, key.Primary.WrapsReserved);
        Assert.Equal(key.Primary, (await Admin.GetKeyAsync(new GetKeyRequest { Name = name })).Key.Primary);
    }

    [Fact]
    public async Task The_same_request_id_answers_the_same_key_and_makes_no_second_one()
    {
        var request = Request($"once/{Guid.NewGuid():N}");
        var first = await Admin.CreateKeyAsync(request);
        var again = await Admin.CreateKeyAsync(request);

        Assert.Equal(first, again);
        await Calls.RefusedAsync(Reason.AlreadyExists, Admin.CreateKeyAsync(Request(request.Name)));
        var other = request.Clone();
        other.Name += "x";
        await Calls.RefusedAsync(Reason.RequestIdReused, Admin.CreateKeyAsync(other));
    }

    [Fact]
    public async Task A_rotation_sent_twice_rotates_once()
    {
        var key = await Calls.NewKeyAsync(service);
        var request = new RotateKeyRequest { RequestId = Calls.NewRequestId(), Name = key.Name };
        var first = await Admin.RotateKeyAsync(request);
        var again = await Admin.RotateKeyAsync(request);

        Assert.Equal(first, again);
        var versions = await UsedVersionsAsync(key.Name);
        Assert.Equal([first.Key.Primary.Id, key.Primary.Id], versions.Select(version => version.Id));
        Assert.Equal([KeyState.Active, KeyState.Deactivated], versions.Select(version => version.State));
        Assert.NotNull(versions[1].DeactivateTime);
        Assert.Null(versions[1].RotateTime);
    }

    [Fact]
    public async Task Rotations_at_the_same_time_each_make_a_version()
    {
        var key = await Calls.NewKeyAsync(service);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Calls.RotateAsync(service, key.Name)));

        var versions = await UsedVersionsAsync(key.Name);
        Assert.Equal(9, versions.Count);
        Assert.Single(versions, version => version.State == KeyState.Active);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Upper")]
    [InlineData("/begins")]
    [InlineData("ends/")]
    [InlineData("two//slashes")]
    [InlineData("a/.hidden")]
    [InlineData("-dash")]
    [InlineData("spa ce")]
    [InlineData("umläut")]
    [InlineData("LONG")]
    public async Task A_name_outside_the_grammar_is_refused_with_the_grammar(string name)
    {
        name = name == "LONG" ? new string('a', 129) : name;
        Assert.Contains("1 to 128 characters", await Calls.RefusedAsync(Reason.InvalidArgument, Admin.CreateKeyAsync(Request(name))),
            StringComparison.Ordinal);
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.GetKeyAsync(new GetKeyRequest { Name = name }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.RotateKeyAsync(
            new RotateKeyRequest { RequestId = Calls.NewRequestId(), Name = name }));
    }

    [Theory]
    [InlineData(89)]
    [InlineData(181)]
    [InlineData(0)]
    [InlineData(-100)]
    public async Task A_rotation_period_outside_90_to_180_days_is_refused_with_the_reason(int days)
    {
        var sentence = await Calls.RefusedAsync(
            Reason.InvalidArgument, Admin.CreateKeyAsync(Request($"period/{Guid.NewGuid():N}", new Duration { Seconds = days * 86400L })));

        Assert.Contains("90 to 180 days", sentence, StringComparison.Ordinal);
        Assert.Contains("industry practice", sentence, StringComparison.Ordinal);
        Assert.DoesNotContain("HIPAA", sentence, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_key_without_a_purpose_or_a_request_id_is_refused()
    {
        var request = Request($"purpose/{Guid.NewGuid():N}");
        request.Purpose = KeyPurpose.Unspecified;
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.CreateKeyAsync(request));
        request = Request($"id/{Guid.NewGuid():N}");
        request.RequestId = "1";
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.CreateKeyAsync(request));
    }

    [Fact]
    public async Task Pages_come_in_order_and_their_tokens_fit_their_filter_only()
    {
        var group = $"page-{Guid.NewGuid():N}";
        var made = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            made.Add((await Calls.NewKeyAsync(service, group)).Name);
        }

        var request = new ListKeysRequest { Prefix = group + "/", PageSize = 2 };
        var listed = new List<string>();
        do
        {
            var page = await Admin.ListKeysAsync(request);
            Assert.InRange(page.Keys.Count, 0, 2);
            listed.AddRange(page.Keys.Select(key => key.Name));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        Assert.Equal(made.Order(StringComparer.Ordinal), listed);

        request.PageToken = (await Admin.ListKeysAsync(new ListKeysRequest { Prefix = group + "/", PageSize = 2 })).NextPageToken;
        request.Prefix = "other/";
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.ListKeysAsync(request));
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.ListKeysAsync(new ListKeysRequest { PageToken = "AAAA" }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.ListKeysAsync(new ListKeysRequest { PageSize = 1001 }));
        await Calls.RefusedAsync(Reason.InvalidArgument, Admin.ListKeysAsync(new ListKeysRequest { PageSize = -1 }));
    }

    [Fact]
    public async Task Versions_come_in_pages_newest_first()
    {
        var key = await Calls.NewKeyAsync(service);
        var made = new List<string> { key.Primary.Id };
        for (var i = 0; i < 4; i++)
        {
            made.Insert(0, (await Calls.RotateAsync(service, key.Name)).Primary.Id);
        }

        var request = new ListKeyVersionsRequest { Name = key.Name, PageSize = 2 };
        var listed = new List<string>();
        do
        {
            var page = await Admin.ListKeyVersionsAsync(request);
            listed.AddRange(page.Versions.Where(IsUsed).Select(version => version.Id));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        // The order is that of their making: of versions made ahead at the same time it is that of their ids.
        Assert.Equal(made.Order(), listed.Order());
    }

    [Fact]
    public async Task An_unknown_key_and_a_missing_grant_are_one_answer()
    {
        var key = await Calls.NewKeyAsync(service);
        var rotation = await Calls.RefusedAsync(
            Reason.AccessDenied, User.RotateKeyAsync(new RotateKeyRequest { RequestId = Calls.NewRequestId(), Name = key.Name }));
        var unknown = await Calls.RefusedAsync(Reason.AccessDenied, Admin.GetKeyAsync(new GetKeyRequest { Name = "no/such-key" }));
        Assert.Equal(rotation, unknown);
        await Calls.RefusedAsync(Reason.AccessDenied, User.CreateKeyAsync(Request("database/own")));
    }

    public void Dispose()
    {
        administrator.Dispose();
        database.Dispose();
    }

    // Without those that were made ahead and wait.
    private async Task<IReadOnlyList<KeyVersion>> UsedVersionsAsync(string name) =>
        [.. (await Admin.ListKeyVersionsAsync(new ListKeyVersionsRequest { Name = name })).Versions.Where(IsUsed)];

    private static bool IsUsed(KeyVersion version) => version.State != KeyState.PreActivation;

    private static CreateKeyRequest Request(string name, Duration? period = null) => new()
    {
        RequestId = Calls.NewRequestId(),
        Name = name,
        Purpose = KeyPurpose.EncryptDecrypt,
        Rotation = period is null ? null : new RotationPolicy { Period = period },
    };
}
