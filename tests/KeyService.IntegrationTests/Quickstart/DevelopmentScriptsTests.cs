using System.Security.Cryptography.X509Certificates;

namespace KeyService.IntegrationTests.Quickstart;

/// <summary>The scripts that make the development token and the development PKI.</summary>
public sealed class DevelopmentScriptsTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-scripts-").FullName;

    [Fact]
    public async Task Every_private_key_and_PIN_is_readable_by_its_owner_only()
    {
        await MakePkiAsync();
        await MakeTokenAsync();

        var secrets = Directory.GetFiles(directory, "*.key", SearchOption.AllDirectories)
            .Concat([Path.Combine(directory, "pin"), Path.Combine(directory, "so-pin")]).ToList();

        Assert.Equal(7, secrets.Count);
        Assert.All(secrets, secret => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret)));
    }

    [Fact]
    public async Task No_certificate_lives_longer_than_365_days()
    {
        await MakePkiAsync();

        var certificates = Directory.GetFiles(Path.Combine(directory, "pki"), "*.crt")
            .Select(X509CertificateLoader.LoadCertificateFromFile).ToList();

        Assert.Equal(5, certificates.Count);
        Assert.All(certificates, certificate => Assert.True(certificate.NotAfter - certificate.NotBefore <= TimeSpan.FromDays(365)));
    }

    [Fact]
    public async Task A_second_run_keeps_what_the_first_made()
    {
        await MakePkiAsync();
        await MakeTokenAsync();
        var before = Snapshot();

        await MakePkiAsync();
        await MakeTokenAsync();

        Assert.Equal(before, Snapshot());
    }

    [Fact]
    public async Task A_certificate_near_its_end_is_made_anew()
    {
        await MakePkiAsync();
        await Pki("client", "database", "10");
        var shortLived = File.ReadAllText(Path.Combine(directory, "pki", "database.crt"));

        await MakePkiAsync();

        Assert.NotEqual(shortLived, File.ReadAllText(Path.Combine(directory, "pki", "database.crt")));
    }

    [Fact]
    public async Task Without_a_directory_the_PKI_script_says_how_to_call_it()
    {
        var result = await Command.RunAsync(Path.Combine(Infrastructure.RepositoryRoot, "dev/pki.sh"), []);

        Assert.Contains("dev/pki.sh DIRECTORY", result.ExpectExit(2).Error, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(directory, recursive: true);

    private Dictionary<string, string> Snapshot() =>
        Directory.GetFiles(directory, "*", SearchOption.AllDirectories)
            .Where(file => file.EndsWith(".crt", StringComparison.Ordinal) || file.EndsWith(".key", StringComparison.Ordinal)
                || file.EndsWith("pin", StringComparison.Ordinal) || file.EndsWith("token.object", StringComparison.Ordinal))
            .ToDictionary(file => file, file => Convert.ToHexString(File.ReadAllBytes(file)));

    private Task MakePkiAsync() => Pki();

    private async Task Pki(params string[] arguments)
    {
        Infrastructure.RequireTool("openssl", "openssl");
        await Executables.MakePkiAsync(Path.Combine(directory, "pki"), arguments);
    }

    private async Task MakeTokenAsync()
    {
        Infrastructure.RequireSoftHsm();
        await Executables.MakeTokenAsync(directory);
    }
}
