using System.Reflection;

namespace KeyService.Tests.Architecture;

/// <summary>The house and its arrows, as the compiled assemblies have them: only downwards, and none into the cryptography's own room.</summary>
public sealed class AssemblyArrowTests
{
    /// <summary>Assembly, and which of ours it may reference.</summary>
    public static TheoryData<string, string[]> Arrows => new()
    {
        { "KeyService.Crypto", [] },
        { "KeyService.Hsm", ["KeyService.Crypto"] },
        { "KeyService.Grpc", [] },
        { "KeyService.Protocol", ["KeyService.Grpc"] },
        { "KeyService.Server", ["KeyService.Crypto", "KeyService.Hsm", "KeyService.Grpc", "KeyService.Protocol"] },
        { "KeyService.Client", ["KeyService.Crypto", "KeyService.Protocol"] },
        // Protocol for the messages that the client answers with; not for calls, see below (docs/adr/0015-command-sees-messages.md).
        { "keyservice", ["KeyService.Client", "KeyService.Crypto", "KeyService.Hsm", "KeyService.Protocol"] },
    };

    [Theory]
    [MemberData(nameof(Arrows))]
    public void An_assembly_references_only_what_stands_below_it(string assembly, string[] below)
    {
        string[] upwards = [.. References(assembly).Where(IsOurs).Except(below)];
        Assert.True(upwards.Length == 0, $"{assembly} must not reference {string.Join(", ", upwards)}.");
    }

    [Fact]
    public void Every_project_under_src_stands_in_the_table()
    {
        string[] projects = [.. Directory.GetDirectories(Path.Combine(RepositoryRoot.Path, "src")).Select(Path.GetFileName).Order()!];
        string[] table = [.. Arrows.Select(row => row.Data.Item1 == "keyservice" ? "KeyService.Cli" : row.Data.Item1).Order()];
        Assert.Equal(table, projects);
    }

    [Fact]
    public void The_cryptography_references_the_base_class_library_and_no_host_container_log_or_network()
    {
        string[] references = References("KeyService.Crypto");
        Assert.Contains("System.Runtime", references);
        Assert.All(references, reference => Assert.True(
            reference.StartsWith("System.", StringComparison.Ordinal) || reference == "Microsoft.Win32.Primitives", $"KeyService.Crypto references {reference}."));
        Assert.DoesNotContain(references, reference =>
            reference.StartsWith("System.Net", StringComparison.Ordinal) || reference.StartsWith("System.Data", StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_calls_the_service_through_the_client_only() =>
        Assert.DoesNotContain(References("keyservice"), reference => reference.StartsWith("Grpc.", StringComparison.Ordinal));

    [Fact]
    public void The_client_shows_no_gRPC_type_to_an_application()
    {
        Assembly client = Assembly.Load("KeyService.Client");
        const BindingFlags visible = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        string[] shown =
        [
            .. client.GetExportedTypes()
                .SelectMany(type => type.GetMethods(visible).Where(method => method.IsPublic || method.IsFamily)
                    .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
                    .Concat(type.GetConstructors().SelectMany(made => made.GetParameters()).Select(parameter => parameter.ParameterType))
                    .Append(type.BaseType ?? typeof(object)))
                .SelectMany(Parts)
                .Where(type => type.Assembly.GetName().Name!.StartsWith("Grpc.", StringComparison.Ordinal))
                .Select(type => type.FullName!).Distinct(),
        ];
        Assert.Empty(shown);
    }

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!) : type.IsGenericType ? type.GetGenericArguments().SelectMany(Parts).Append(type) : [type];

    private static bool IsOurs(string name) =>
        name.StartsWith("KeyService.", StringComparison.Ordinal) || name == "keyservice";

    private static string[] References(string assembly) => [.. Assembly.Load(assembly).GetReferencedAssemblies().Select(name => name.Name!)];
}
