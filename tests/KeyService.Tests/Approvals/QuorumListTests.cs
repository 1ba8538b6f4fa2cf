using System.Reflection;
using KeyService.Protocol.Approvals;
using KeyService.Server.Pipeline;

namespace KeyService.Tests.Approvals;

public sealed class QuorumListTests
{
    private static readonly MethodInfo[] Rpcs =
    [
        .. typeof(RpcAttribute).Assembly.GetTypes().SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Where(method => method.GetCustomAttribute<RpcAttribute>() is not null),
    ];

    /// <summary>Who adds one here, or takes one away, changes what one person may do alone.</summary>
    [Fact]
    public void Calls_that_need_officers_are_these() => Assert.Equal(
        [
            "AcceptStore OnceInstalled", "CompleteDestruction Always", "CreateKey Exceptions", "InstallRoster SignedRoster", "SetKeyPolicy Exceptions",
        ],
        Rpcs.Select(method => $"{method.Name} {method.GetCustomAttribute<RpcAttribute>()!.Quorum}").Where(each => !each.EndsWith(" None", StringComparison.Ordinal)).Order(StringComparer.Ordinal));

    /// <summary>An officer's command must be able to read every one of them.</summary>
    [Fact]
    public void Every_method_is_known_by_its_name() => Assert.All(Rpcs, method =>
    {
        var service = method.DeclaringType!;
        while (service.BaseType is { } parent && parent != typeof(object))
        {
            service = parent;
        }

        Assert.True(
            ProtocolMethods.Find($"keyservice.v1.{service.DeclaringType?.Name ?? service.Name.Replace("Base", "", StringComparison.Ordinal)}/{method.Name}") is not null
            || service.Name == "CipherBase", $"{service} {method.Name}");
    });
}
