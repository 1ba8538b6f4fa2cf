using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using KeyService.Crypto.Ceremonies;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>What is printed after a ceremony, by the command, and by a browser on paper.</summary>
public sealed partial class PrintedMatterTests : IDisposable
{
    private static readonly DateTimeOffset Then = new(2026, 3, 1, 10, 0, 0, TimeSpan.Zero);
    private static readonly string[] AllFiles = ["attestation.html", "bag-labels.html", "index.html", "receipts.html", "recovery.html", "script.html"];

    private readonly string directory = Directory.CreateTempSubdirectory("keyservice-print-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task A_genesis_is_printed_whole_and_no_word_of_a_share_is_in_it()
    {
        var genesis = await Rehearsal.HeldAsync();
        var transcript = genesis.Transcript("genesis");
        using var said = JsonDocument.Parse((await PrintAsync(genesis.File("genesis/transcript.kst"), "out", "--json")).ExpectExit(0).Text);
        Assert.Equal(AllFiles, said.RootElement.GetProperty("files").EnumerateArray().Select(each => each.GetString()).Order(StringComparer.Ordinal));
        Assert.Equal(AllFiles, Directory.GetFiles(InDirectory("out")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(Directory.GetFiles(InDirectory("out")), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(InDirectory("out")));

        var pages = AllFiles.ToDictionary(name => name, name => Text("out", name));
        Assert.All(pages.Values, text => Assert.Contains("REHEARSAL", text, StringComparison.Ordinal));
        Assert.Contains(Convert.ToHexStringLower(transcript.Head.Span), pages["attestation.html"], StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower(transcript.Header.Script.Span), pages["script.html"], StringComparison.Ordinal);
        Assert.Contains("Everybody says who they are", pages["script.html"], StringComparison.Ordinal);
        Assert.Contains("10 of 10 steps", pages["attestation.html"], StringComparison.Ordinal);
        Assert.Contains("serial number", pages["attestation.html"], StringComparison.Ordinal);
        // What is printed is what was recorded: nothing is left out of the annotated script.
        Assert.All(transcript.Entries.Where(each => each.Type is TranscriptEntryType.Observe or TranscriptEntryType.Deviation or TranscriptEntryType.Fact),
            entry => Assert.Contains(Plain(entry.Text), pages["script.html"], StringComparison.Ordinal));
        foreach (var share in transcript.Entries.Where(each => each.Type == TranscriptEntryType.Share))
        {
            Assert.Contains(share.Text.Split(' ')[3], pages["bag-labels.html"], StringComparison.Ordinal);
            Assert.Contains(share.Text.Split(' ')[^1], pages["receipts.html"], StringComparison.Ordinal);
        }
        // The recovery file is the repository's, and comes back out of the page to the byte.
        var lines = Listing().Matches(WebUtility.HtmlDecode(File.ReadAllText(InDirectory("out/recovery.html")))).Select(match => match.Groups[2].Value).ToList();
        var file = await File.ReadAllBytesAsync(Path.Combine(Infrastructure.RepositoryRoot, "docs/recovery/keyservice_recover.py"));
        Assert.Equal(System.Text.Encoding.ASCII.GetString(file), string.Concat(lines.Select(line => line + "\n")));
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(file)), pages["recovery.html"], StringComparison.Ordinal);
        DemandNoWords(genesis, pages);

        // The same transcript gives the same pages.
        (await PrintAsync(genesis.File("genesis/transcript.kst"), "again")).ExpectExit(0);
        Assert.All(AllFiles, name => Assert.Equal(File.ReadAllBytes(InDirectory($"out/{name}")), File.ReadAllBytes(InDirectory($"again/{name}"))));
    }

    [Fact]
    public async Task Nothing_is_written_over_and_nothing_is_printed_of_what_does_not_verify()
    {
        var genesis = await Rehearsal.HeldAsync();
        var path = genesis.File("genesis/transcript.kst");
        Directory.CreateDirectory(InDirectory("taken"));
        await File.WriteAllTextAsync(InDirectory("taken/note"), "mine");
        Assert.Contains("not an empty directory", (await PrintAsync(path, "taken")).ExpectExit(6).Error, StringComparison.Ordinal);
        Assert.Equal(["note"], Directory.GetFileSystemEntries(InDirectory("taken")).Select(Path.GetFileName));

        // A byte changed; a rehearsal made a ceremony; cut before its end; a key that is another one's.
        var text = await File.ReadAllTextAsync(path);
        Assert.Contains("hashes do not hold", (await PrintAsync(await WriteAsync("changed.kst", text.Replace("Carol Chen", "Carol Chan", StringComparison.Ordinal)), "no")).ExpectExit(4).Error, StringComparison.Ordinal);
        (await PrintAsync(await WriteAsync("real.kst", text.Replace("rehearsal yes", "rehearsal no", StringComparison.Ordinal)), "no")).ExpectExit(4);
        var lines = text.Split('\n');
        var cut = string.Join('\n', lines.TakeWhile(line => !line.Contains(" end completed ", StringComparison.Ordinal))) + "\n";
        Assert.Contains("NotEnded", (await PrintAsync(await WriteAsync("cut.kst", cut), "no")).ExpectExit(4).Error, StringComparison.Ordinal);
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var key = await WriteAsync("stranger.pub", stranger.ExportSubjectPublicKeyInfoPem());
        Assert.Contains("hsm", (await PrintAsync(path, "no", "--hsm-key", key)).ExpectExit(4).Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(InDirectory("no")));

        // An empty one is as good as a new one.
        Directory.CreateDirectory(InDirectory("empty"));
        (await PrintAsync(path, "empty")).ExpectExit(0);
    }

    [Fact]
    public async Task Names_are_text_whatever_is_in_them()
    {
        const string hostile = "Carol <script>alert(1)</script> \"&' </style>\u202Egnp\u0007";
        using var signers = new TranscriptSigners("alice", "bob");
        var transcript = signers.Sign(Made(rehearsal: false, "completed",
            (TranscriptEntryType.Person, "alice", "administrator Alice Adams"), (TranscriptEntryType.Person, "bob", "witness Bob Baker"), (TranscriptEntryType.Person, "carol", $"custodian {hostile}"),
            (TranscriptEntryType.Fact, "hsm.none", hostile), (TranscriptEntryType.Begin, "1", hostile), (TranscriptEntryType.Expect, "1", hostile), (TranscriptEntryType.Observe, "1", hostile),
            (TranscriptEntryType.Deviation, "1", hostile), (TranscriptEntryType.Fact, "software.keyservice", hostile), (TranscriptEntryType.Fact, "bundles.installation", hostile),
            (TranscriptEntryType.Attach, "bundle-1", hostile), (TranscriptEntryType.Share, "12345/1", $"threshold 2 digest {new string('0', 64)} custodian carol bag <b>"),
            (TranscriptEntryType.Fact, "copy.1", $"bag <i>, taken by {hostile} (carol), to be kept at: {hostile}"), (TranscriptEntryType.Done, "1", "alice bob")));
        (await PrintAsync(await WriteAsync("hostile.kst", transcript.ToArray()), "out", "--key", $"alice={await WriteAsync("alice.pub", signers.PublicKey("alice"))}")).ExpectExit(0);
        foreach (var name in AllFiles)
        {
            var html = await File.ReadAllTextAsync(InDirectory($"out/{name}"));
            Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("<i>,", html, StringComparison.Ordinal);
            Assert.DoesNotContain('\u202E', html);
            Assert.DoesNotContain('\a', html);
            Assert.Equal(name == "script.html" || name == "bag-labels.html" || name == "receipts.html" || name == "recovery.html" || name == "attestation.html" ? 2 : 1, StyleEnd().Count(html));
            Assert.DoesNotContain("REHEARSAL", html, StringComparison.Ordinal);
            Assert.DoesNotContain("class=\"mark\"", html, StringComparison.Ordinal);
        }
        var attestation = Text("out", "attestation.html");
        Assert.Contains("compared", attestation, StringComparison.Ordinal);
        Assert.Contains("none: signs by hand", attestation, StringComparison.Ordinal);
        Assert.Contains(@"alert(1)</script> ""&' </style>\u{202e}gnp\x07", Text("out", "script.html"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_void_ceremony_says_so_on_every_page_and_one_without_shares_has_no_labels()
    {
        using var signers = new TranscriptSigners("alice", "bob");
        (TranscriptEntryType, string, string)[] people = [(TranscriptEntryType.Person, "alice", "administrator Alice Adams"), (TranscriptEntryType.Person, "bob", "witness Bob Baker"), (TranscriptEntryType.Fact, "hsm.none", "none")];
        var broken = signers.Sign(Made(rehearsal: true, "void", [.. people, (TranscriptEntryType.Person, "carol", "custodian Carol Chen"), (TranscriptEntryType.Fact, "shares.quorum", "2 of 3"),
            (TranscriptEntryType.Begin, "5/1", "Share 1 goes to Carol Chen"), (TranscriptEntryType.Share, "12345/1", $"threshold 2 digest {new string('0', 64)} custodian carol bag B-1"), (TranscriptEntryType.Done, "5/1", "carol bob")]));
        (await PrintAsync(await WriteAsync("void.kst", broken.ToArray()), "void")).ExpectExit(0);
        Assert.All(AllFiles, name => Assert.Contains("REHEARSAL · VOID", Text("void", name), StringComparison.Ordinal));
        Assert.Contains("Share 1 of 3, 2 needed", Text("void", "bag-labels.html"), StringComparison.Ordinal);
        Assert.Contains("nothing that was made counts", Text("void", "attestation.html"), StringComparison.Ordinal);

        var review = signers.Sign(Made(rehearsal: false, "completed", [.. people, (TranscriptEntryType.Begin, "1", "Who is here"), (TranscriptEntryType.Done, "1", "alice bob")], CeremonyKind.BreakGlassReview));
        (await PrintAsync(await WriteAsync("review.kst", review.ToArray()), "review")).ExpectExit(0);
        Assert.Equal(["attestation.html", "index.html", "script.html"], Directory.GetFiles(InDirectory("review")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("no bag was filled", Text("review", "index.html"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Copies_of_bundles_get_labels_and_receipts_that_say_where_they_go()
    {
        using var day = Rehearsal.WithoutToken();
        using var vectors = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(Infrastructure.RepositoryRoot, "tests/vectors/backup-bundle.json")));
        var vector = vectors.RootElement.GetProperty("positive")[0];
        await File.WriteAllBytesAsync(day.File("bundle.ksb"), Convert.FromHexString(vector.GetProperty("encoded").GetString()!));
        day.Answers.AddRange([("Copy 1 is whole", "C-0815"), ("Where will it be kept", "the bank, box 7"), ("Copy 2 is whole", "C-0816")]);
        var export = await day.RunAsync(null,
            ["ceremony", "backup-export", "--rehearsal", "--directory", day.File("export"), "--bundle", day.File("bundle.ksb"), "--copy-to", day.File("one"), "--copy-to", day.File("two"), .. Rehearsal.People(2)]);
        Assert.True(export.ExitCode == 0, export.Said);
        Assert.Contains("keyservice ceremony print", export.Said, StringComparison.Ordinal);

        (await PrintAsync(day.File("export/transcript.kst"), "out")).ExpectExit(0);
        var labels = Text("out", "bag-labels.html");
        Assert.Contains("C-0815", labels, StringComparison.Ordinal);
        Assert.Contains("the bank, box 7", labels, StringComparison.Ordinal);
        Assert.Contains("Copy 2 of 2 of the backup bundles", labels, StringComparison.Ordinal);
        Assert.Contains(vector.GetProperty("installationId").GetString()!, labels, StringComparison.Ordinal);
        Assert.Contains(vector.GetProperty("digest").GetString()!, Text("out", "receipts.html"), StringComparison.Ordinal);
        var recovery = Text("out", "recovery.html");
        Assert.Contains(vector.GetProperty("backupKeyId").GetString()!, recovery, StringComparison.Ordinal);
        Assert.Contains(vector.GetProperty("fingerprint").GetString()!, recovery, StringComparison.Ordinal);
        Assert.Contains("copy 1: the bank, box 7, bag C-0815, taken there by Carol Chen", recovery, StringComparison.Ordinal);
        var custody = (await Executables.RunCliAsync(["ceremony", "custody", day.File("export/transcript.kst"), "--json"])).ExpectExit(0).Text;
        Assert.Contains("\"custodian\":\"carol\",\"bag\":\"C-0815\",\"where\":\"to be kept at: the bank, box 7\"", custody, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_paper_the_attestation_is_one_page_and_every_page_of_a_rehearsal_is_marked()
    {
        Infrastructure.RequireTool("chromium", "chromium");
        Infrastructure.RequireTool("pdftotext", "poppler-utils");
        var genesis = await Rehearsal.HeldAsync();
        (await PrintAsync(genesis.File("genesis/transcript.kst"), "out")).ExpectExit(0);

        // As many people as there can be shares, with long names.
        var crowd = Enumerable.Range(1, 16).Select(at => (TranscriptEntryType.Person, $"custodian-{at}", $"custodian Custodian Number {at} of a Very Long Name Indeed, Chief of Something")).ToArray();
        using var signers = new TranscriptSigners([.. crowd.Select(each => each.Item2), "alice", "bob"]);
        var full = signers.Sign(Made(rehearsal: true, "void",
        [
            (TranscriptEntryType.Person, "alice", "administrator Alice Adams"), (TranscriptEntryType.Person, "bob", "witness Bob Baker"), .. crowd,
            (TranscriptEntryType.Fact, "software.keyservice", new string('a', 64)), (TranscriptEntryType.Fact, "software.server", new string('b', 64)), (TranscriptEntryType.Fact, "bundles.installation", new string('c', 32)),
            (TranscriptEntryType.Fact, "hsm.serial", new string('S', 200)), (TranscriptEntryType.Fact, "hsm.model", new string('M', 200)), (TranscriptEntryType.Fact, "hsm.label", new string('L', 200)),
            (TranscriptEntryType.Fact, "hsm.none", new string('N', 4000)), .. Enumerable.Range(1, 20).Select(at => (TranscriptEntryType.Fact, $"result.{at}", new string('d', 64))),
            .. Enumerable.Range(1, 20).SelectMany(at => new[] { (TranscriptEntryType.Begin, $"{at}", $"A step with a title of some length, number {at}"), (TranscriptEntryType.Done, $"{at}", "alice bob") }),
        ], CeremonyKind.RestoreDrill));
        (await PrintAsync(await WriteAsync("crowd.kst", full.ToArray()), "crowd")).ExpectExit(0);
        // Letter is shorter, A4 narrower.
        var recovery = await SizedAsync("out/recovery.html", "A4");
        var pages = await Task.WhenAll(new[] { await SizedAsync("out/attestation.html", "letter"), recovery, await SizedAsync("crowd/attestation.html", "letter") }.Select(PagesAsync));
        Assert.Single(pages[0]);
        Assert.InRange(pages[1].Count, 15, 30);
        Assert.All(pages[0].Concat(pages[1]), page => Assert.Contains("REHEARSAL", TopOf(page), StringComparison.Ordinal));
        Assert.Contains("REHEARSAL · VOID", TopOf(Assert.Single(pages[2])), StringComparison.Ordinal);
        // Nothing was cut off on the right: the longest line of the recovery file is on the paper.
        var longest = (await File.ReadAllLinesAsync(Path.Combine(Infrastructure.RepositoryRoot, "docs/recovery/keyservice_recover.py"))).MaxBy(line => line.Length)!;
        Assert.Contains(Plain(longest), Plain(string.Concat(pages[1])), StringComparison.Ordinal);
    }

    private async Task<string> SizedAsync(string name, string paper)
    {
        var html = await File.ReadAllTextAsync(InDirectory(name));
        Assert.Contains("@page { ", html, StringComparison.Ordinal);
        await WriteAsync(name + "-sized.html", html.Replace("@page { ", $"@page {{ size: {paper}; ", StringComparison.Ordinal));
        return name + "-sized.html";
    }

    // The margin's own line; what a page says of itself further down does not count.
    private static string TopOf(string page) => page.Split('\n').First(line => line.Trim().Length > 0);

    // Each run of a browser has a profile of its own.
    private async Task<IReadOnlyList<string>> PagesAsync(string name)
    {
        var (pdf, profile) = (InDirectory(name) + ".pdf", InDirectory(name.Replace('/', '-') + ".profile"));
        (await Command.RunAsync("chromium",
            ["--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run", "--disable-background-networking", "--disable-component-update", $"--user-data-dir={profile}", "--no-pdf-header-footer", $"--print-to-pdf={pdf}", new Uri(InDirectory(name)).AbsoluteUri])).ExpectExit(0);
        return (await Command.RunAsync("pdftotext", ["-layout", pdf, "-"])).ExpectExit(0).Text.TrimEnd('\f').Split('\f');
    }

    private Task<CommandResult> PrintAsync(string transcript, string output, params string[] more) =>
        Executables.RunCliAsync(["ceremony", "print", transcript, "--output", InDirectory(output), .. more]);

    private string InDirectory(string name) => Path.Combine(directory, name);

    private async Task<string> WriteAsync(string name, string content) => await WriteAsync(name, System.Text.Encoding.UTF8.GetBytes(content));

    private async Task<string> WriteAsync(string name, byte[] content)
    {
        await File.WriteAllBytesAsync(InDirectory(name), content);
        return InDirectory(name);
    }

    // As a reader has it: without tags, digits in one piece.
    private string Text(string output, string name) => Plain(WebUtility.HtmlDecode(Tag().Replace(File.ReadAllText(InDirectory($"{output}/{name}")), "")));

    private static string Plain(string text) => Space().Replace(text, " ");

    // Single words are English, and the recovery file has the whole list; side by side as on a paper they stand nowhere.
    private static void DemandNoWords(Rehearsal rehearsal, Dictionary<string, string> pages)
    {
        Assert.NotEmpty(rehearsal.Papers);
        foreach (var words in rehearsal.Papers.Values.Select(paper => paper.Split(' ')))
        {
            Assert.Equal(33, words.Length);
            foreach (var (name, text) in pages)
            {
                // The first words are those of the set, neighbours in the list perhaps.
                Assert.DoesNotContain(words.Skip(3).Zip(words.Skip(4), words.Skip(5)), three => text.Contains($"{three.First} {three.Second} {three.Third}", StringComparison.OrdinalIgnoreCase));
            }
        }
    }

    private static Transcript Made(bool rehearsal, string ending, params (TranscriptEntryType Type, string Subject, string Text)[] entries) => Made(rehearsal, ending, entries, CeremonyKind.Genesis);

    private static Transcript Made(bool rehearsal, string ending, (TranscriptEntryType Type, string Subject, string Text)[] entries, string kind) =>
        entries.Append((Type: TranscriptEntryType.End, Subject: ending, Text: "It ended.")).Aggregate(
            Transcript.Begin(new TranscriptHeader(new byte[16], kind, rehearsal, new byte[32])),
            (transcript, entry) => transcript.Add(new TranscriptEntry(Then, entry.Type, entry.Subject, entry.Text), out _));

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    [GeneratedRegex("</style>")]
    private static partial Regex StyleEnd();

    [GeneratedRegex(@"<i>( *\d+ [0-9a-f]{4}) \|</i> ?(.*)")]
    private static partial Regex Listing();
}
