using System.Text.Json.Nodes;
using KeyService.Crypto.Ceremonies;
using KeyService.IntegrationTests.Ceremonies;

namespace KeyService.IntegrationTests.Interop;

/// <summary>A transcript that the real command wrote, judged by the second reader.</summary>
public sealed class PythonTranscriptTests
{
    [Fact]
    public async Task Python_verifies_what_a_ceremony_wrote_and_finds_the_same()
    {
        await PythonImplementation.RequireAsync();
        using var rehearsal = await Rehearsal.WithTokenAsync();
        var made = await rehearsal.GenesisAsync("genesis", 2, 3);
        Assert.True(made.ExitCode == 0, made.Said);
        var transcript = rehearsal.Transcript("genesis");
        var verdict = TranscriptVerdict.Of(transcript);
        var file = rehearsal.File("genesis/transcript.kst");

        // Administrator and witness signed on paper only.
        var read = await PythonImplementation.RunAsync([], "transcript", "verify", file);
        var said = JsonNode.Parse(read.ExpectExit(verdict.Findings.Count == 0 ? 0 : 4).Text)!;
        Assert.Equal(verdict.Findings.Select(each => $"{each}"), said["findings"]!.AsArray().Select(each => each!.GetValue<string>()));
        Assert.Equal(verdict.Unsigned, said["notSignedBy"]!.AsArray().Select(each => each!.GetValue<string>()));
        Assert.Equal(Convert.ToHexStringLower(transcript.Head.Span), said["lastHash"]!.GetValue<string>());
        Assert.Equal(("genesis", "completed", true), (said["kind"]!.GetValue<string>(), said["ending"]!.GetValue<string>(), said["rehearsal"]!.GetValue<bool>()));

        var changed = (await File.ReadAllTextAsync(file)).Replace("Carol Chen", "Carol Chan", StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, changed);
        (await PythonImplementation.RunAsync([], "transcript", "verify", file)).ExpectExit(4);
    }
}
