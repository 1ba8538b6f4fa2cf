using System.Text.RegularExpressions;
using KeyService.Client;
using KeyService.IntegrationTests.Service;

namespace KeyService.IntegrationTests.Sdk;

/// <summary>docs/sdk.md: every piece of code in it stands, line for line, in code that is compiled and run.</summary>
[Collection(RunningService.Name)]
public sealed partial class SdkGuideTests(ServiceFixture service)
{
    private static readonly EncryptedColumn Name = new("ehr", "patient", "name");

    [Fact]
    public async Task Every_snippet_stands_in_code_that_runs()
    {
        string Read(string path) => File.ReadAllText(Path.Combine(Infrastructure.RepositoryRoot, path));
        var run = new[]
        {
            "samples/EhrTable/Program.cs", "samples/EhrTable/PatientTable.cs", "tests/KeyService.IntegrationTests/Sdk/SdkGuideTests.cs",
        }.Select(path => Trimmed(Read(path))).ToList();
        var snippets = Snippet().Matches(Read("docs/sdk.md")).Select(match => match.Groups[1].Value).ToList();
        Assert.True(snippets.Count >= 9);
        Assert.All(snippets, snippet => Assert.True(
            run.Exists(code => code.Contains(Trimmed(snippet), StringComparison.Ordinal)), $"It stands in no code that runs:\n{snippet}"));

        // The two pieces that the sample does not have.
        Assert.Equal("Ana Peña", await ReadAsync(Name.Row(1), Name.Row(1)));
        Assert.Equal("(unreadable)", await ReadAsync(Name.Row(1), Name.Row(2)));
    }

    private async Task<string?> ReadAsync(RowContext written, RowContext read)
    {
        using var client = service.Connect(service.Database);
        var (keeper, table) = await SdkService.NewTableAsync();
        await using var open = keeper;
        var key = (await Calls.NewKeyAsync(service)).Name;
        var careful = new LeasePolicy { MaxAge = TimeSpan.FromSeconds(60), Grace = TimeSpan.FromMinutes(5) };
        await using var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = key, Table = table, Lease = careful });
        var token = await fields.EncryptAsync(written, "Ana Peña");
        try
        {
            return await fields.DecryptToTextAsync(read, token);
        }
        catch (KeyServiceException e) when (e.Reason == "DECRYPTION_FAILED")
        {
            // Damaged, or of another row or column: one answer. Never show the token as if it were the value.
            return "(unreadable)";
        }
        catch (KeyServiceException e) when (e.Reason == ClientReason.WrappedKeyMissing)
        {
            throw new InvalidOperationException("Restore the table of wrapped keys from its backup.", e);
        }
    }

    private static string Trimmed(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Snippet();
}
