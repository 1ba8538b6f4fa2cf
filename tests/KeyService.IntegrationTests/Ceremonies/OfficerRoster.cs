using System.Security.Cryptography;
using KeyService.Crypto.Approvals;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Officers with keys of their own, and the first roster that names them.</summary>
internal static class OfficerRoster
{
    public static async Task MakeKeyAsync(Rehearsal rehearsal, string name) => (await Command.RunAsync(
        "bash", ["-c", $"\"$0\" officer key create {name}.key --passphrase-fd 3 3<<<'a passphrase'", Executables.Cli], workingDirectory: rehearsal.Path)).ExpectExit(0);

    /// <returns>The last eight digits of each one's fingerprint, and the roster.</returns>
    public static async Task<(IReadOnlyDictionary<string, string> LastDigits, byte[] Roster)> MakeAsync(Rehearsal rehearsal, params string[] names)
    {
        var officers = new List<Officer>();
        foreach (var name in names)
        {
            await MakeKeyAsync(rehearsal, name);
            using var key = ECDsa.Create();
            key.ImportFromPem(await File.ReadAllTextAsync(rehearsal.File($"{name}.key.pub")));
            officers.Add(new Officer(name, key.ExportSubjectPublicKeyInfo()));
        }
        Assert.True(Quorum.TryOf(officers.Count, out var quorum));
        return (officers.ToDictionary(each => each.Id, each => Convert.ToHexStringLower(SHA256.HashData(each.PublicKey.Span))[^8..]),
            SignedRoster.Of(Roster.Create(new byte[16], null, DateTimeOffset.UnixEpoch, quorum, officers)).ToArray());
    }

    /// <summary>Accepted by everybody in it.</summary>
    public static void RequireValid(byte[] document)
    {
        Assert.True(SignedRoster.TryParse(document, out var signed));
        Assert.NotNull(RosterChain.Verify([signed!], out var finding, out _));
        Assert.Equal(RosterFinding.Valid, finding);
    }
}
