using System.Text.RegularExpressions;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>A ceremony at a terminal, as people hold it: not a rehearsal.</summary>
public sealed partial class TerminalTests
{
    [Fact]
    public async Task People_hold_a_genesis_at_a_terminal_and_no_word_stays_on_it()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync(); // for its token and its people's names
        var command = string.Join(' ', Arguments(rehearsal).Select(each => $"'{each}'"));
        await using var terminal = await Tmux.StartAsync(rehearsal.Path, new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = rehearsal.File("token/softhsm2.conf") }, command);

        List<string> seen = [];
        string[] words = [];
        var screens = 0;
        for (var before = ""; ;)
        {
            var screen = await terminal.WaitAsync(screen => screen != before && IsWaiting(screen));
            before = screen;
            if (screen.Contains("ended with", StringComparison.Ordinal))
            {
                Assert.Contains("ended with 0", screen, StringComparison.Ordinal);
                break;
            }
            Assert.True(++screens < 200, screen);
            Assert.DoesNotContain("REHEARSAL", screen, StringComparison.Ordinal);
            if (screen.Contains("the words go and do not come back", StringComparison.Ordinal))
            {
                words = [.. NumberedWord().Matches(screen).OrderBy(match => int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).Select(match => match.Groups[2].Value)];
                Assert.Equal(33, words.Length);
                seen.AddRange(words.Skip(4));
                await terminal.EnterAsync();
            }
            else if (screen.Contains("word  1 of 33:", StringComparison.Ordinal))
            {
                // Four letters of each are enough, a space ends each.
                await terminal.TypeAsync("zzzz ");
                await terminal.WaitAsync(now => now.Contains("that is no word of the list", StringComparison.Ordinal));
                await terminal.TypeAsync(string.Concat(words.Select(word => word[..4] + " ")));
            }
            else if (screen.TrimEnd().EndsWith("bag?\n>", StringComparison.Ordinal))
            {
                var all = await terminal.ScrollBackAsync();
                // Single words of the list are English, and may stand in a sentence; numbered or side by side they do not.
                Assert.DoesNotContain(NumberedWord().Matches(all), match => words.Contains(match.Groups[2].Value));
                Assert.DoesNotContain(words.Zip(words.Skip(1)), pair => Regex.IsMatch(all, $@"{pair.First[..4]}\w*\s+{pair.Second[..4]}"));
                await terminal.TypeAsync("BAG-7");
                await terminal.EnterAsync();
            }
            else
            {
                await terminal.EnterAsync();
            }
        }

        Assert.Equal(58, seen.Count);
        var transcript = rehearsal.Transcript("genesis");
        Assert.False(transcript.Header.IsRehearsal);
        Assert.Equal("completed", TranscriptVerdict.Of(transcript).Ending);
        Assert.Contains(transcript.Entries, each => each.Type == TranscriptEntryType.Deviation && each.Text.Contains("for development only", StringComparison.Ordinal));
        var end = await terminal.ScrollBackAsync();
        Assert.Contains(Convert.ToHexStringLower(transcript.Head.Span)[..40], end, StringComparison.Ordinal);
    }

    /// <summary>Whoever wants out while words are on the screen takes them along.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Ctrl_C_and_a_signal_leave_no_word_on_the_screen(bool signal)
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        var command = string.Join(' ', Arguments(rehearsal).Select(each => $"'{each}'"));
        await using var terminal = await Tmux.StartAsync(
            rehearsal.Path, new Dictionary<string, string?> { ["SOFTHSM2_CONF"] = rehearsal.File("token/softhsm2.conf") }, $"echo $$ > pid; {command}");
        var screen = "";
        for (var before = ""; !screen.Contains("the words go and do not come back", StringComparison.Ordinal); before = screen)
        {
            screen = await terminal.WaitAsync(now => now != before && IsWaiting(now));
            if (!screen.Contains("the words go and do not come back", StringComparison.Ordinal))
            {
                await terminal.EnterAsync();
            }
        }
        var words = NumberedWord().Matches(screen).Select(match => match.Groups[2].Value).ToList();
        Assert.Equal(33, words.Count);
        if (signal)
        {
            (await Command.RunAsync("pkill", ["-TERM", "-P", (await File.ReadAllTextAsync(rehearsal.File("pid"))).Trim()])).ExpectExit(0);
            await terminal.WaitAsync(now => now.Contains("ended with 130", StringComparison.Ordinal));
        }
        else
        {
            await terminal.KeyAsync("C-c");
            // As stop: it is asked why, and recorded.
            await terminal.WaitAsync(now => now.Contains("Why is it stopped?", StringComparison.Ordinal) && IsWaiting(now));
        }
        var all = await terminal.ScrollBackAsync();
        Assert.DoesNotContain(NumberedWord().Matches(all), match => words.Contains(match.Groups[2].Value));
    }

    private static string[] Arguments(Rehearsal rehearsal) =>
        [Executables.Cli, "ceremony", "genesis", "--directory", "genesis", "--threshold", "2", .. rehearsal.Token(), .. Rehearsal.People(2)];

    // A prompt at the end, or the share's screen; never in the middle of being drawn.
    private static bool IsWaiting(string screen) => screen.TrimEnd() is var text
        && (text.EndsWith("\n>", StringComparison.Ordinal) || text.EndsWith("word  1 of 33:", StringComparison.Ordinal)
            || text.EndsWith("the words go and do not come back.", StringComparison.Ordinal) || text.Contains("ended with", StringComparison.Ordinal));

    [GeneratedRegex(@"(\d+)  ([a-z]{4,8})\b")]
    private static partial Regex NumberedWord();
}
