using System.Reflection;
using KeyService.Client;

namespace KeyService.Tests.Cli;

public sealed class ClientApiTests
{
    [Fact]
    public void No_type_of_Grpc_stands_in_the_public_surface_of_the_client()
    {
        var offenders = typeof(KeyServiceClient).Assembly.GetExportedTypes()
            .SelectMany(type => Surface(type).Select(used => (type, used)))
            .Where(pair => Parts(pair.used).Any(part => part.Assembly.GetName().Name!.StartsWith("Grpc", StringComparison.Ordinal)))
            .Select(pair => $"{pair.type.Name} shows {pair.used}")
            .Distinct().ToList();
        Assert.Empty(offenders);
    }

    [Fact]
    public void The_surface_test_sees_types_inside_generics_and_arrays() =>
        Assert.Contains(typeof(DataKey), Parts(typeof(Task<IReadOnlyList<DataKey[]>>)));

    [Fact]
    public void Every_call_of_the_service_has_a_method()
    {
        var rpcs = new[]
        {
            Protocol.V1.DataKeys.Descriptor, Protocol.V1.Cipher.Descriptor, Protocol.V1.Keys.Descriptor,
            Protocol.V1.Rotation.Descriptor,
            Protocol.V1.Access.Descriptor, Protocol.V1.AccessReviews.Descriptor, Protocol.V1.Audit.Descriptor, Protocol.V1.System.Descriptor,
            Protocol.V1.Alarms.Descriptor, Protocol.V1.Backups.Descriptor, Protocol.V1.Ceremonies.Descriptor, Protocol.V1.Store.Descriptor,
            Protocol.V1.Holdings.Descriptor, Protocol.V1.AuditSinks.Descriptor, Protocol.V1.Reviews.Descriptor,
            Protocol.V1.Destructions.Descriptor, Protocol.V1.Sessions.Descriptor, Protocol.V1.Places.Descriptor, Protocol.V1.BreakGlass.Descriptor, Protocol.V1.Retention.Descriptor, Protocol.V1.Evidence.Descriptor, Protocol.V1.Approvals.Descriptor,
        }.Sum(service => service.Methods.Count);
        // Archives are made of the calls of the others, and what is resumed is one of them.
        var methods = typeof(KeyServiceClient).GetProperties().Where(property => property.Name != nameof(KeyServiceClient.Archives))
            .SelectMany(property => property.PropertyType.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Count(method => method.Name.EndsWith("Async", StringComparison.Ordinal) && method.Name != nameof(ApprovalCalls.ResumeAsync));
        Assert.Equal(rpcs, methods);
    }

    private static IEnumerable<Type> Surface(Type type)
    {
        const BindingFlags Seen = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        var used = new List<Type?> { type.BaseType };
        used.AddRange(type.GetInterfaces());
        foreach (var method in type.GetMethods(Seen).Cast<MethodBase>().Concat(type.GetConstructors(Seen)).Where(m => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly))
        {
            used.AddRange(method.GetParameters().Select(parameter => parameter.ParameterType));
            used.Add((method as MethodInfo)?.ReturnType);
        }
        used.AddRange(type.GetFields(Seen).Where(f => f.IsPublic || f.IsFamily).Select(field => field.FieldType));
        return used.OfType<Type>();
    }

    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType)
        {
            return Parts(type.GetElementType()!);
        }
        return type.GetGenericArguments().SelectMany(Parts).Prepend(type);
    }
}
