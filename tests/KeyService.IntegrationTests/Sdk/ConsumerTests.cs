using KeyService.IntegrationTests.Service;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>
/// An application that has its own Grpc.Core adds the SDK: it compiles against KeyService.Client and KeyService.Crypto alone, beside types that bear
/// the names of gRPC's, with warnings as errors, and runs against the real service. If a gRPC type stood in what it uses, the compiler
/// would ask for its assembly.
/// </summary>
[Collection(RunningService.Name)]
public sealed class ConsumerTests(ServiceFixture service, PostgresFixture postgres) : IClassFixture<PostgresFixture>, IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-consumer-").FullName;

    [Fact]
    public async Task An_application_with_a_Grpc_Core_of_its_own_builds_and_runs()
    {
        var key = await Calls.NewKeyAsync(service);
        var built = Path.GetDirectoryName(Executables.EhrTable)!;
        await File.WriteAllTextAsync(Path.Combine(directory, "Consumer.csproj"), Project(built));
        await File.WriteAllTextAsync(Path.Combine(directory, "OwnGrpc.cs"), OwnGrpc);
        await File.WriteAllTextAsync(Path.Combine(directory, "Program.cs"), Program);
        var output = Path.Combine(directory, "out");
        var environment = new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1" };

        var build = await Command.RunAsync(
            "dotnet", ["build", "-c", "Release", "-nologo", "-v", "quiet", "-o", output, Path.Combine(directory, "Consumer.csproj")], environment,
            workingDirectory: directory);
        Assert.True(build.ExitCode == 0, build.Text);
        var run = await Command.RunAsync(
            "dotnet", [Path.Combine(output, "Consumer.dll"), service.Database.ProfilePath, key.Name, postgres.ConnectionString()], environment);

        Assert.Equal("078-05-1120\nmine: ACCESS_DENIED\n", run.ExpectExit(0).Text);
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private static string Project(string built) =>
        $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
            <InvariantGlobalization>true</InvariantGlobalization>
            <!-- What stands in the folder is what there is: the SDK's own dependencies are no business of the application's compiler. -->
            <GenerateDependencyFile>false</GenerateDependencyFile>
          </PropertyGroup>
          <ItemGroup>
            <Reference Include="KeyService.Client" HintPath="{built}/KeyService.Client.dll" />
            <Reference Include="KeyService.Crypto" HintPath="{built}/KeyService.Crypto.dll" />
            <Reference Include="Npgsql" HintPath="{built}/Npgsql.dll" />
            <None Include="{built}/*.dll" CopyToOutputDirectory="PreserveNewest" Link="%(Filename)%(Extension)" Visible="false" />
          </ItemGroup>
        </Project>
        """;

    private const string OwnGrpc =
        """
        namespace Grpc.Core
        {
            public enum StatusCode { OK = 0, Mine = 99 }

            public sealed class Metadata : System.Collections.Generic.List<string>;

            public sealed class RpcException(string reason) : System.Exception(reason);

            public abstract class CallInvoker;
        }

        namespace Grpc.Net.Client
        {
            public sealed class GrpcChannel : Grpc.Core.CallInvoker
            {
                public static GrpcChannel ForAddress(string address) => throw new Grpc.Core.RpcException(address);
            }
        }
        """;

    private const string Program =
        """
        using Grpc.Core;
        using Grpc.Net.Client;
        using KeyService.Client;

        using var client = KeyServiceClient.Connect(ClientProfile.Load(args[0]).ToOptions());
        var table = new WrappedKeyTable(Npgsql.NpgsqlDataSource.Create(args[2]));
        await table.CreateAsync();
        var ssn = new EncryptedColumn("ehr", "patient", "ssn");
        await using (var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = args[1], Table = table }))
        {
            var token = await fields.EncryptAsync(ssn.Row(4711), "078-05-1120");
            Console.WriteLine(await fields.DecryptToTextAsync(ssn.Row(4711), token));
        }
        try
        {
            try
            {
                await client.DataKeys.GenerateAsync("no/such-key", DataKeyScope.General(KeyService.Crypto.EncryptionContext.Empty));
            }
            catch (KeyServiceException e)
            {
                GrpcChannel.ForAddress(e.Reason);
            }
        }
        catch (RpcException e)
        {
            Console.WriteLine($"mine: {e.Message}");
        }
        return new Metadata().Count == 0 && StatusCode.Mine != StatusCode.OK ? 0 : 1;
        """;
}
