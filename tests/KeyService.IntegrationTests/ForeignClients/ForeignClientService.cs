using Google.Protobuf;
using Google.Protobuf.Reflection;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.ForeignClients;

/// <summary>A service with a key for each foreign client, and a principal for this user's uid on the Unix socket.</summary>
public sealed class ForeignClientService : IAsyncLifetime
{
    private readonly ServiceFixture service = new();

    internal static string ProtoRoot => Path.Combine(Infrastructure.RepositoryRoot, "src/KeyService.Protocol");

    /// <summary>The API as a serialised FileDescriptorSet, for clients without a protobuf compiler.</summary>
    internal string DescriptorSet => Path.Combine(service.Directory, "keyservice.binpb");

    internal ServiceFixture Service => service;

    public async ValueTask InitializeAsync()
    {
        await service.InitializeAsync();
        foreach (var key in new[] { "foreign/node", "foreign/python", "foreign/buf", "foreign/samples" })
        {
            await service.CreateKeyAsync(key);
        }
        await service.RegisterUnixUserAsync("this-user");
        await File.WriteAllBytesAsync(DescriptorSet, Descriptors().ToByteArray());
    }

    public ValueTask DisposeAsync() => service.DisposeAsync();

    /// <summary>ENDPOINT CA CERTIFICATE KEY DESCRIPTION, as both clients take them.</summary>
    internal IEnumerable<string> Arguments(string listener, string description) =>
    [
        listener == "unix" ? $"unix:{service.SocketPath}" : $"localhost:{service.Port}",
        service.CaPath, service.Database.CertificatePath, service.Database.KeyPath, description,
    ];

    private static FileDescriptorSet Descriptors()
    {
        var set = new FileDescriptorSet();
        var seen = new HashSet<string>();
        foreach (var file in new[] { DataKeysReflection.Descriptor, CipherReflection.Descriptor, SystemReflection.Descriptor })
        {
            Add(file);
        }
        return set;

        // What a file imports stands before it.
        void Add(FileDescriptor file)
        {
            if (seen.Add(file.Name))
            {
                foreach (var import in file.Dependencies)
                {
                    Add(import);
                }
                set.File.Add(FileDescriptorProto.Parser.ParseFrom(file.SerializedData));
            }
        }
    }
}

/// <summary>One service for all foreign clients.</summary>
[CollectionDefinition("Foreign clients")]
public sealed class ForeignClientCollection : ICollectionFixture<ForeignClientService>;
