using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using KeyService.Cli.Ceremonies;
using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Shares that a command prints: what is on the page, where their words are nowhere else, and what happens when there is no page.</summary>
public sealed partial class PrintedShareTests : IDisposable
{
    // What a printer is told and what it says is kept, so that the test can look for words in it; the page comes back on both of its outputs.
    private const string Keeps = "cat >\"$1/$n.html\"; cat \"$1/$n.html\"; cat \"$1/$n.html\" >&2; tr '\\0' '\\n' </proc/$$/environ >\"$1/$n.told\"; printf '%s\\n' \"$0\" \"$@\" >>\"$1/$n.told\"";

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-shares-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task Each_custodian_types_from_a_page_and_no_word_is_anywhere_else()
    {
        using var rehearsal = await Rehearsal.WithTokenAsync();
        rehearsal.Opening = WordsOf;
        rehearsal.Answers.Add(("puts the paper into bag BAG-Dave-Diaz", "ANOTHER-1"));
        var result = await rehearsal.GenesisAsync("genesis", 2, 3, "--share-printer", await PrinterAsync(Keeps), "--json");
        Assert.True(result.ExitCode == 0, result.Said);
        Assert.Empty(rehearsal.Papers);

        var transcript = rehearsal.Transcript("genesis");
        Assert.Equal("completed", TranscriptVerdict.Of(transcript).Ending);
        var pages = Enumerable.Range(0, 3).Select(at => File.ReadAllText(InDirectory($"{at}.html"))).ToList();
        var papers = pages.Select(Words).ToList();
        var id = transcript.Entries.Single(each => each.Subject == "backup-key.id").Text;
        foreach (var (page, at) in pages.Select(Plain).Zip([0, 1, 2]))
        {
            var name = new[] { "Carol Chen", "Dave Diaz", "Erin Evans" }[at];
            Assert.Contains("REHEARSAL", page, StringComparison.Ordinal);
            Assert.Contains($"Share {at + 1} of 3, 2 needed", page, StringComparison.Ordinal);
            Assert.Contains(name, page, StringComparison.Ordinal);
            Assert.Contains("BAG-" + name.Replace(' ', '-'), page, StringComparison.Ordinal);
            Assert.Contains(id, page, StringComparison.Ordinal);
            Assert.Contains(Convert.ToHexStringLower(transcript.Header.Ceremony.Span), page, StringComparison.Ordinal);
            Assert.DoesNotContain("<script", pages[at], StringComparison.OrdinalIgnoreCase);
            // The share is the one of the transcript, and nobody else's.
            using var share = PaperShares.Read(papers[at]);
            Assert.Equal(at, share.MemberIndex);
            Assert.All(papers.Where((_, other) => other != at), other => Assert.Empty(Lasting(other).Intersect(Lasting(papers[at]))));
        }
        Assert.Equal(["BAG-Carol-Chen", "ANOTHER-1", "BAG-Erin-Evans"], transcript.Entries.Where(each => each.Type == TranscriptEntryType.Share).Select(each => each.Text.Split(' ')[^1]));
        Assert.Contains(transcript.Entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "5/2" } && each.Text.Contains("is in bag ANOTHER-1, and not in bag BAG-Dave-Diaz", StringComparison.Ordinal));
        Assert.DoesNotContain(transcript.Entries, each => each is { Type: TranscriptEntryType.Deviation, Subject: "5/1" or "5/3" });
        Assert.Equal(3, transcript.Entries.Count(each => each.Type == TranscriptEntryType.Observe && each.Text.Contains("was printed by", StringComparison.Ordinal)));
        Assert.Equal(id, PaperShares.KeyOf(papers[0], papers[2]));

        // Words are nowhere but on the pages: not on the screen, in no file of the ceremony, in nothing that the printer was told.
        string[] elsewhere = [result.Said, result.Output, .. Directory.GetFiles(rehearsal.File("genesis"), "*", SearchOption.AllDirectories).Select(File.ReadAllText), .. Directory.GetFiles(directory, "*.told").Select(File.ReadAllText)];
        Assert.Equal(4 + 3, elsewhere.Length);
        Assert.All(elsewhere, text => Assert.DoesNotContain(papers.SelectMany(Lasting), three => text.Contains(three, StringComparison.OrdinalIgnoreCase)));
        Assert.DoesNotContain("viewBox", result.Said, StringComparison.Ordinal);

        // Killed while a page is in somebody's hand: it is void, as when it was on the screen.
        using var killed = await Rehearsal.WithTokenAsync();
        killed.Opening = WordsOf;
        var hand = result.Questions.ToList().FindIndex(question => question.Contains("takes the page", StringComparison.Ordinal));
        Assert.Equal(137, (await killed.RunAsync(hand, ["ceremony", "genesis", "--rehearsal", "--directory", killed.File("genesis"), "--threshold", "2", "--share-printer", await PrinterAsync(Keeps), .. killed.Token(), .. Rehearsal.People(3)])).ExitCode);
        Assert.Equal(1, (await killed.RunAsync(null, "ceremony", "resume", killed.File("genesis"))).ExitCode);
        Assert.Equal("void", TranscriptVerdict.Of(killed.Transcript("genesis")).Ending);
    }

    [Fact]
    public async Task Whoever_has_no_page_writes_by_hand_and_the_transcript_says_why()
    {
        var genesis = await Rehearsal.HeldAsync();
        using var day = await genesis.AnotherDayAsync(withToken: false);
        // One fails, one reads a part, of one the paper is stuck; the fourth is well.
        day.Opening = name => name == "Grace Gray" ? WordsOf(name) : null;
        day.Answers.Add(("Frank Fox takes the page", "The paper is torn."));
        var printer = await PrinterAsync($"case $n in 0) cat >/dev/null; touch \"$1/0.html\"; exit 7;; 1) head -c 4000 >\"$1/1.html\";; *) {Keeps};; esac");
        var result = await day.RunAsync(null,
            ["ceremony", "backup-key", "--rehearsal", "--directory", day.File("again"), "--of", genesis.File("genesis/transcript.kst"), "--threshold", "2", "--share-printer", printer,
                "--administrator", "alice=Alice Adams", "--witness", "bob=Bob Baker", "--former", "carol=Carol Chen",
                "--custodian", "dave=Dave Diaz", "--custodian", "erin=Erin Evans", "--custodian", "frank=Frank Fox", "--custodian", "grace=Grace Gray"]);
        Assert.True(result.ExitCode == 0, result.Said);
        var deviations = day.Transcript("again").Entries.Where(each => each.Type == TranscriptEntryType.Deviation).ToDictionary(each => each.Subject, each => each.Text);
        Assert.Contains("did not print share 1: it ended with code 7.", deviations["5/1"], StringComparison.Ordinal);
        Assert.Contains("did not print share 2: it did not read the whole page.", deviations["5/2"], StringComparison.Ordinal);
        Assert.Contains("share 3 cannot be read from paper: The paper is torn.", deviations["5/3"], StringComparison.Ordinal);
        Assert.All(new[] { "5/1", "5/2", "5/3" }, step => Assert.Contains("is destroyed before witnesses", deviations[step], StringComparison.Ordinal));
        Assert.False(deviations.ContainsKey("5/4"));
        // What was shown is what was typed again; the fourth was never on the screen.
        Assert.False(day.Papers.ContainsKey("Grace Gray"));
        Assert.Equal(PaperShares.KeyOf(genesis.Transcript("genesis")), PaperShares.KeyOf(day.Papers["Frank Fox"], WordsOf("Grace Gray")!));
    }

    [Fact]
    public async Task A_printer_that_is_not_there_is_said_before_anybody_comes()
    {
        using var rehearsal = Rehearsal.WithoutToken();
        await File.WriteAllTextAsync(InDirectory("not-a-program"), "");
        foreach (var command in new[] { "no-such-printer", InDirectory("none"), InDirectory("not-a-program"), directory, "" })
        {
            var refused = await Executables.RunCliAsync(["ceremony", "genesis", "--rehearsal", "--directory", InDirectory("refused"), "--threshold", "2", "--share-printer", command,
                "--module", Infrastructure.SoftHsmModule, "--token-label", "none", "--pin-file", InDirectory("not-a-program"), .. Rehearsal.People(3)]);
            Assert.Contains("to print with", refused.ExpectExit(2).Error, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(InDirectory("refused")));
    }

    [Fact]
    public async Task On_paper_it_is_one_page_and_another_reader_reads_the_code()
    {
        Infrastructure.RequireTool("chromium", "chromium");
        Infrastructure.RequireTool("pdftotext", "poppler-utils");
        Infrastructure.RequireTool("zbarimg", "zbar-tools");
        // The longest words there are make the largest code, and long names the highest table.
        var longest = Enumerable.Range(0, ShareWordList.Count).Select(at => (ushort)at).OrderByDescending(at => ShareWordList.At(at).Length).Take(33).ToArray();
        var some = Enumerable.Range(0, 33).Select(at => (ushort)(at * 31)).ToArray();
        foreach (var (paper, rehearsal, name, words) in new[]
        {
            ("A4", true, "Carol Chen", some), ("letter", false, "Carol Chen", some),
            ("letter", true, "Custodian of a Very Long Name Indeed " + string.Concat(Enumerable.Repeat("& Chief of Something ", 10)), longest),
        })
        {
            using var page = SharePage.Of(new SharePageText(rehearsal, CeremonyKind.BackupKey, new string('8', 32), name, 16, 16, 16, 32767, new string('8', 16), new string('8', 64)), words);
            var expected = string.Join(' ', words.Select(word => ShareWordList.At(word)));
            var html = Encoding.UTF8.GetString(page.Content).Replace("@page { ", $"@page {{ size: {paper}; ", StringComparison.Ordinal);
            await File.WriteAllTextAsync(InDirectory("page.html"), html);
            (await Command.RunAsync("chromium",
                ["--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run", "--disable-background-networking", "--disable-component-update", $"--user-data-dir={InDirectory("profile")}", "--no-pdf-header-footer", $"--print-to-pdf={InDirectory("page.pdf")}", new Uri(InDirectory("page.html")).AbsoluteUri])).ExpectExit(0);
            Assert.Matches(@"Pages: +1\n", (await Command.RunAsync("pdfinfo", [InDirectory("page.pdf")])).ExpectExit(0).Text);
            var text = (await Command.RunAsync("pdftotext", ["-raw", InDirectory("page.pdf"), "-"])).ExpectExit(0).Text;
            Assert.Equal(rehearsal, text.Contains("REHEARSAL", StringComparison.Ordinal));
            Assert.Equal(words.Select((word, at) => $"{at + 1} {ShareWordList.At(word)}").Order(StringComparer.Ordinal), NumberedWord().Matches(text).Select(match => $"{match.Groups[1]} {match.Groups[2]}").Order(StringComparer.Ordinal));
            // As a scanner of an office has it.
            (await Command.RunAsync("pdftoppm", ["-r", "150", "-gray", "-png", "-singlefile", InDirectory("page.pdf"), InDirectory("page")])).ExpectExit(0);
            Assert.Equal(expected, (await Command.RunAsync("zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", InDirectory("page.png")])).ExpectExit(0).Text.TrimEnd('\n'));
        }
    }

    [Fact]
    public async Task The_command_of_the_guide_prints_the_page_and_leaves_nothing_behind()
    {
        Infrastructure.RequireTool("chromium", "chromium");
        Infrastructure.RequireTool("zbarimg", "zbar-tools");
        var guide = await File.ReadAllTextAsync(Path.Combine(Infrastructure.RepositoryRoot, "docs/operations.md"));
        var from = guide.IndexOf("#!/bin/sh\n# print-share:", StringComparison.Ordinal);
        // A test may be root, whom the browser wants to be told of.
        var script = guide[from..guide.IndexOf("```", from, StringComparison.Ordinal)].Replace("chromium --headless", "chromium --no-sandbox --headless", StringComparison.Ordinal);
        await ProgramAsync("print-share", script);
        // The printing system: it has a queue for a while.
        await ProgramAsync("lp", $"#!/bin/sh\nfor last; do :; done\ncp \"$last\" '{directory}/printed.pdf'\ntouch '{directory}/queue'\n");
        await ProgramAsync("lpstat", $"#!/bin/sh\n[ ! -e '{directory}/queue' ] || echo local-1\nrm -f '{directory}/queue'\n");
        using var page = SharePage.Of(new SharePageText(true, CeremonyKind.Genesis, new string('8', 32), "Carol Chen", 1, 3, 2, 12345, new string('8', 16), "B-1"), Enumerable.Range(0, 33).Select(at => (ushort)(at * 31)).ToArray());
        var printed = await Command.RunAsync(InDirectory("print-share"), [], new Dictionary<string, string?> { ["PATH"] = $"{directory}:{Environment.GetEnvironmentVariable("PATH")}" }, page.Content.ToArray());
        printed.ExpectExit(0);
        (await Command.RunAsync("pdftoppm", ["-r", "150", "-gray", "-png", "-singlefile", InDirectory("printed.pdf"), InDirectory("printed")])).ExpectExit(0);
        Assert.Equal(Words(Encoding.UTF8.GetString(page.Content)), (await Command.RunAsync("zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", InDirectory("printed.png")])).ExpectExit(0).Text.TrimEnd('\n'));
        Assert.Empty(Directory.GetDirectories("/dev/shm", "share.*"));
    }

    // A script that counts its pages from 0.
    private async Task<string> PrinterAsync(string body)
    {
        await ProgramAsync("printer.sh", $"#!/bin/sh\nn=$(ls \"$1\" | grep -c html)\n{body}\n");
        return $"\"{InDirectory("printer.sh")}\" \"{directory}\"";
    }

    private async Task ProgramAsync(string name, string script)
    {
        await File.WriteAllTextAsync(InDirectory(name), script);
        File.SetUnixFileMode(InDirectory(name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private string InDirectory(string name) => Path.Combine(directory, name);

    private string? WordsOf(string name) => Directory.GetFiles(directory, "*.html").Select(File.ReadAllText).Where(page => page.Contains(name, StringComparison.Ordinal)).Select(Words).FirstOrDefault();

    private static string Words(string page)
    {
        var words = Cell().Matches(page);
        Assert.Equal(Enumerable.Range(1, 33), words.Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)));
        return string.Join(' ', words.Select(match => match.Groups[2].Value));
    }

    // Single words are English, and the first three are of the set; three side by side are of one share.
    private static IEnumerable<string> Lasting(string paper)
    {
        var words = paper.Split(' ');
        return Enumerable.Range(3, words.Length - 5).Select(at => string.Join(' ', words[at..(at + 3)]));
    }

    private static string Plain(string page) => Space().Replace(WebUtility.HtmlDecode(Tag().Replace(page, "")), " ");

    [GeneratedRegex(@"<div><b> ?(\d+)</b> ([a-z]+)</div>")]
    private static partial Regex Cell();

    [GeneratedRegex(@"^ *(\d{1,2}) +([a-z]{4,8}) *$", RegexOptions.Multiline)]
    private static partial Regex NumberedWord();

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
