using KeyService.Crypto.Evidence;

namespace KeyService.Tests.Evidence;

/// <summary>docs/spec/evidence-pack.md.</summary>
public sealed class EvidenceManifestTests
{
    private static readonly DateTimeOffset From = new(2026, 10, 1, 0, 0, 0, TimeSpan.Zero);

    private const string Example =
        "keyservice/evidence/v1\n"
        + "installation 000102030405060708090a0b0c0d0e0f\n"
        + "from 2026-10-01T00:00:00Z\n"
        + "until 2026-11-01T00:00:00Z\n"
        + "made 2026-11-29T07:50:00Z\n"
        + "file ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 access/grants.json\n"
        + "file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 index.html\n";

    [Fact]
    public void The_specifications_example_is_made_and_read()
    {
        var manifest = new EvidenceManifest(
            [.. Enumerable.Range(0, 16).Select(i => (byte)i)], From, From.AddMonths(1), new DateTimeOffset(2026, 11, 29, 8, 50, 0, TimeSpan.FromHours(1)),
            [EvidenceEntry.Of("index.html", []), EvidenceEntry.Of("access/grants.json", "abc"u8)]);
        Assert.Equal(Example, manifest.ToString());
        Assert.True(EvidenceManifest.TryParse(Example, out EvidenceManifest? parsed));
        Assert.Equal(Example, parsed!.ToString());
        Assert.Equal(["access/grants.json", "index.html"], parsed.Files.Select(file => file.Name));
    }

    [Fact]
    public void A_text_that_differs_in_one_character_is_another_manifest_or_none()
    {
        for (int i = 0; i < Example.Length; i++)
        {
            foreach (char other in "0f/ \nZ")
            {
                string text = Example[..i] + other + Example[(i + 1)..];
                if (text != Example && EvidenceManifest.TryParse(text, out EvidenceManifest? parsed))
                {
                    Assert.Equal(text, parsed!.ToString());
                }
            }
            Assert.False(EvidenceManifest.TryParse(Example[..i], out _) && Example[..i] == Example);
        }
    }

    [Theory]
    [InlineData("keyservice/evidence/v1", "keyservice/evidence/v2")]
    [InlineData("file ba7816", "file BA7816")]
    [InlineData(" 3 access", " 03 access")]
    [InlineData(" 3 access", " +3 access")]
    [InlineData(" 3 access", " -3 access")]
    [InlineData("access/grants.json", "../grants.json")]
    [InlineData("access/grants.json", "/grants.json")]
    [InlineData("access/grants.json", "index.html")]
    [InlineData("access/grants.json", "zzz")]
    [InlineData("access/grants.json", "Access")]
    [InlineData("access/grants.json", "access//grants")]
    [InlineData("until 2026-11-01", "until 2026-10-01")]
    [InlineData("until 2026-11-01", "until 2026-11-31")]
    [InlineData("T07:50:00Z", "T07:50:00+00:00")]
    [InlineData("installation 0001", "installation 00")]
    [InlineData("made ", "Made ")]
    [InlineData("0 index.html\n", "0 index.html")]
    [InlineData("0 index.html\n", "0 index.html\n\n")]
    [InlineData("0 index.html\n", "0 index.html\r\n")]
    public void What_is_written_otherwise_is_none(string part, string instead)
    {
        Assert.Contains(part, Example, StringComparison.Ordinal);
        Assert.False(EvidenceManifest.TryParse(Example.Replace(part, instead, StringComparison.Ordinal), out EvidenceManifest? parsed));
        Assert.Null(parsed);
    }

    [Fact]
    public void A_pack_without_files_or_time_is_none()
    {
        Assert.Throws<ArgumentException>(() => new EvidenceManifest(new byte[16], From, From.AddDays(1), From, []));
        Assert.Throws<ArgumentException>(() => new EvidenceManifest(new byte[15], From, From.AddDays(1), From, [EvidenceEntry.Of("a", [])]));
        Assert.Throws<ArgumentException>(() => new EvidenceManifest(new byte[16], From, From, From, [EvidenceEntry.Of("a", [])]));
        Assert.Throws<ArgumentException>(() => new EvidenceManifest(new byte[16], From.AddTicks(1), From.AddDays(1), From, [EvidenceEntry.Of("a", [])]));
    }
}
