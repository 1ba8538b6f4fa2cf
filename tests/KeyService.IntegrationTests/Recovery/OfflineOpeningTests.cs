using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Recovery;

/// <summary>Bundle, shares and one Python file open what an installation encrypted, and nothing else opens it.</summary>
public sealed partial class OfflineOpeningTests(AfterTheService left) : IClassFixture<AfterTheService>, IDisposable
{
    private static readonly string[] Enough = [AfterTheService.ShareName(1), AfterTheService.ShareName(3), AfterTheService.ShareName(4)];
    private readonly string _directory = Directory.CreateTempSubdirectory("keyservice-recover-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("")]
    [InlineData("--pure")]
    public async Task An_archive_opens_to_what_was_encrypted(string pure)
    {
        Take("bundle.ksb", "letter.ksa", "signing-key.pem");
        (await OpenAsync("letter.ksa", Enough, [.. Flag(pure), "--signing-key", "signing-key.pem", "-o", "letter"])).ExpectExit(0);
        Assert.Equal(left.Letter, await File.ReadAllBytesAsync(PathOf("letter")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("letter")));
        Assert.Equal(left.Letter, (await OpenAsync("letter.ksa", Enough, Flag(pure))).ExpectExit(0).Output);

        // What is there stays, and nothing but the output came into the directory.
        Assert.Contains("is there already", (await OpenAsync("letter.ksa", Enough, ["-o", "letter"])).ExpectExit(2).Error, StringComparison.Ordinal);
        Assert.Equal(10, Directory.GetFileSystemEntries(_directory).Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--pure")]
    public async Task An_archive_of_real_input_opens(string pure)
    {
        Take("bundle.ksb", "records.ksa");
        (await OpenAsync("records.ksa", Enough, [.. Flag(pure), "-o", "records.tar"])).ExpectExit(0);
        Assert.Equal(left.RecordsHash, SHA256.HashData(await File.ReadAllBytesAsync(PathOf("records.tar"))));
    }

    [Fact]
    public async Task An_archive_that_was_wrapped_anew_after_the_bundle_opens_by_its_older_wrapping_and_a_later_one_is_missed()
    {
        Take("bundle.ksb", "letter.ksa", "rewrapped.ksa", "late.ksa");
        var late = (await OpenAsync("late.ksa", Enough, ["-o", "letter"])).ExpectExit(6);
        var version = Regex.Match(late.Error, "no bundle that was given holds key version ([0-9a-f]{16})").Groups[1].Value;
        Assert.Equal(Convert.FromHexString(version), (await File.ReadAllBytesAsync(PathOf("rewrapped.ksa")))[(8192 + 10)..(8192 + 18)]);
        Assert.False(File.Exists(PathOf("letter")));

        Assert.Equal(left.Letter, (await OpenAsync("rewrapped.ksa", Enough, [])).ExpectExit(0).Output);
        await ChangeAsync("rewrapped.ksa", bytes => bytes[8192] ^= 1);
        var damaged = (await OpenAsync("rewrapped.ksa", Enough, [])).ExpectExit(0);
        Assert.Equal(left.Letter, damaged.Output);
        Assert.Contains("one of the archive's two slot areas is damaged", damaged.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--pure")]
    public async Task Fields_of_the_service_and_of_the_library_and_data_keys_open(string pure)
    {
        Take("bundle.ksb", "tokens.jsonl", "data-keys.jsonl");
        (await FieldsAsync(Enough, [.. Flag(pure), "--data-keys", "data-keys.jsonl", "-o", "fields"])).ExpectExit(0);
        Assert.Equal(left.Answers, (await File.ReadAllLinesAsync(PathOf("fields"))).Select(Normal));
    }

    [Fact]
    public async Task Fields_that_do_not_open_are_named_and_only_those_that_do_are_written_when_asked_for()
    {
        Take("bundle.ksb", "tokens.jsonl", "data-keys.jsonl");
        var lines = await File.ReadAllLinesAsync(PathOf("tokens.jsonl"));
        lines[1] = lines[1].Replace("st-mary", "st-luke", StringComparison.Ordinal);
        lines[2] = "{\"token\": \"ks1.\"}";
        lines[4] = "{\"token\": 4, \"context\": [[]]}";
        await File.WriteAllLinesAsync(PathOf("tokens.jsonl"), lines);
        var refused = (await FieldsAsync(Enough, ["--data-keys", "data-keys.jsonl", "-o", "fields"])).ExpectExit(4);
        Assert.Contains("line 3: no field token", refused.Error, StringComparison.Ordinal);
        await File.WriteAllLinesAsync(PathOf("tokens.jsonl"), lines[..2]);
        refused = (await FieldsAsync(Enough, ["-o", "fields"])).ExpectExit(4);
        await File.WriteAllLinesAsync(PathOf("tokens.jsonl"), lines);
        Assert.Contains("line 2: it does not open", refused.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(PathOf("fields")));

        (await FieldsAsync(Enough, ["--keep-going", "-o", "fields"])).ExpectExit(4);
        var answers = await File.ReadAllLinesAsync(PathOf("fields"));
        int[] failed = [1, 2, 4, 6, 7];
        Assert.Equal(left.Answers.Count, answers.Length);
        Assert.All(answers.Index(), answer => Assert.Equal(failed.Contains(answer.Index), answer.Item.Contains("\"error\"", StringComparison.Ordinal)));
        Assert.Contains("--data-keys holds no data key", answers[6], StringComparison.Ordinal);

        // One context for all lines, and tokens as they are.
        await File.WriteAllTextAsync(PathOf("tokens.jsonl"), lines[0].Replace("\"tenant\":\"st-mary\",", "", StringComparison.Ordinal));
        (await FieldsAsync(Enough, ["--context", "tenant=st-mary", "-o", "one"])).ExpectExit(0);
        Assert.Equal(left.Answers[0], Normal(await File.ReadAllTextAsync(PathOf("one"))));
    }

    [Fact]
    public async Task Wrong_shares_are_named_and_nothing_is_written()
    {
        Take("bundle.ksb", "letter.ksa");
        var words = (await File.ReadAllTextAsync(PathOf("share-4.txt"))).Trim().Split(' ');
        await File.WriteAllTextAsync(PathOf("mistyped.txt"), string.Join(' ', words.Index().Select(word => word.Index == 11 ? Other(word.Item) : word.Item)));
        await File.WriteAllTextAsync(PathOf("no-word.txt"), string.Join(' ', words.Index().Select(word => word.Index == 6 ? "krankenhaus" : word.Item)));
        await File.WriteAllTextAsync(PathOf("swapped.txt"), string.Join(' ', [.. words[..9], words[10], words[9], .. words[11..]]));
        await File.WriteAllTextAsync(PathOf("short.txt"), string.Join(' ', words[..29]));
        await File.WriteAllTextAsync(PathOf("again.txt"), string.Join('\n', words.Select(word => word[..4].ToUpperInvariant())));
        var foreign = SecretSharing.Split(RandomNumberGenerator.GetBytes(32), AfterTheService.Needed, AfterTheService.Shares);
        foreach (var share in foreign)
        {
            await File.WriteAllTextAsync(PathOf($"foreign-{share.MemberIndex}.txt"), AfterTheService.TextOf(share, numbered: false));
            share.Dispose();
        }

        // Some words of the list are words of the file's own sentences too, or begin one (install, installation).
        var own = Word().Matches(string.Concat((await File.ReadAllTextAsync(RecoveryFile.Script)).Split("\"\"\"").Where(part => !part.StartsWith("\nacademic", StringComparison.Ordinal)))).Select(match => match.Value).ToHashSet();
        string[] telling = [.. words[4..^3].Where(word => !own.Contains(word))];
        Assert.NotEmpty(telling);
        await RefusesAsync(4, "mistyped.txt: word 12 was misread or mistyped", "share-1.txt", "share-3.txt", "mistyped.txt");
        await RefusesAsync(4, "no-word.txt: word 7 is not in the list", "share-1.txt", "share-3.txt", "no-word.txt");
        await RefusesAsync(4, "swapped.txt: several of its 33 words were misread or mistyped", "share-1.txt", "share-3.txt", "swapped.txt");
        await RefusesAsync(4, "short.txt: no share has 29 words", "share-1.txt", "share-3.txt", "short.txt");
        await RefusesAsync(4, "share-4.txt and again.txt are the same share", "share-1.txt", "share-4.txt", "again.txt");
        await RefusesAsync(4, "foreign-2.txt is not of the same set as the other shares", "foreign-2.txt", "share-3.txt", "share-4.txt");
        await RefusesAsync(4, $"the bundle needs {left.BackupKeyId}", "foreign-1.txt", "foreign-2.txt", "foreign-4.txt");
        await RefusesAsync(6, "2 of 3 needed shares", "share-1.txt", "share-4.txt");
        await RefusesAsync(6, "share-9.txt is not there", "share-1.txt", "share-4.txt", "share-9.txt");
        (await OpenAsync("letter.ksa", ["share-1.txt", "again.txt", "share-5.txt"], [])).ExpectExit(0);

        async Task RefusesAsync(int code, string what, params string[] shares)
        {
            var answer = (await OpenAsync("letter.ksa", shares, ["-o", "letter"])).ExpectExit(code);
            Assert.Contains(what, answer.Error, StringComparison.Ordinal);
            Assert.Empty(answer.Output);
            Assert.DoesNotContain(Directory.GetFileSystemEntries(_directory), entry => Path.GetFileName(entry) == "letter" || Path.GetFileName(entry).StartsWith('.'));
            Assert.DoesNotContain(Word().Matches(answer.Error), match => telling.Contains(match.Value));
        }
    }

    [Fact]
    public async Task Shares_are_typed_word_by_word_and_corrected()
    {
        Take();
        var shares = await Task.WhenAll(new[] { 1, 2, 5 }.Select(async member =>
            Word().Matches((await File.ReadAllTextAsync(PathOf(AfterTheService.ShareName(member)))).Replace("# Share of a backup key", "", StringComparison.Ordinal))
                .Select(match => match.Value).ToArray()));
        var typed = new StringBuilder();
        typed.AppendLine(string.Join(' ', shares[0])).AppendLine();
        // A word that is none: it goes on from there. One that is another: asked for again.
        typed.AppendLine(string.Join(' ', [.. shares[1][..5], "krankenhaus", .. shares[1][5..]]));
        typed.AppendLine(string.Join(' ', [.. shares[1][5..20], Other(shares[1][20])])).AppendLine();
        typed.AppendLine(string.Join(' ', shares[1][21..])).AppendLine();
        typed.AppendLine(shares[1][20]);
        foreach (var word in shares[2])
        {
            typed.AppendLine(word[..4]);
        }

        var answer = (await TypeAsync(Encoding.ASCII.GetBytes(typed.AppendLine().ToString()), "check")).ExpectExit(0);
        Assert.Contains("word 6 is not in the list", answer.Error, StringComparison.Ordinal);
        Assert.Contains("word 21 was misread or mistyped", answer.Error, StringComparison.Ordinal);
        Assert.Contains($"shares 1, 2, 5 fit together; 3 are needed\nbackup key {left.BackupKeyId}\n", answer.Text, StringComparison.Ordinal);

        (await TypeAsync(Encoding.ASCII.GetBytes(string.Join(' ', shares[0]) + "\n\n"), "check")).ExpectExit(6);
        (await TypeAsync(Encoding.ASCII.GetBytes(string.Join(' ', shares[0][..20])), "check")).ExpectExit(6);
        (await TypeAsync([], "check")).ExpectExit(6);

        // Nobody types for nothing: what cannot be written, and what the bundle does not hold, is said before.
        File.Copy(left.PathOf("bundle.ksb"), PathOf("bundle.ksb"));
        foreach (var (archive, name, code) in new[] { ("letter.ksa", "bundle.ksb", 2), ("late.ksa", "letter", 6) })
        {
            File.Copy(left.PathOf(archive), PathOf(archive));
            var refused = (await TypeAsync([], "open", "--bundle", "bundle.ksb", "--archive", archive, "-o", name)).ExpectExit(code);
            Assert.DoesNotContain("type its words", refused.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task At_a_terminal_words_are_not_shown()
    {
        var answer = (await RecoveryFile.JudgeAsync("--terminal", left.Directory)).ExpectExit(0);
        Assert.Contains($"backup key {left.BackupKeyId}", answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changed_and_foreign_bundles_and_archives_leave_no_file()
    {
        Take("bundle.ksb", "letter.ksa", "records.ksa", "signing-key.pem");
        var full = await Command.RunAsync(
            "/bin/sh", ["-c", $"ulimit -f 16; exec /usr/bin/python3 -I -S keyservice_recover.py open --bundle bundle.ksb --archive records.ksa -o out --shares {string.Join(' ', Enough)}"], workingDirectory: _directory);
        Assert.Contains("it cannot be read or written", full.ExpectExit(2).Error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_directory, ".recover-*"));
        await ChangeAsync("records.ksa", bytes => bytes[12_400 + (16_400 * 7)] ^= 1);
        var damaged = (await OpenAsync("records.ksa", Enough, ["-o", "out"])).ExpectExit(4);
        Assert.Contains("chunk 7 does not verify", damaged.Error, StringComparison.Ordinal);
        // Redirected, the pieces before it come out, and no byte more.
        Assert.Equal(7 * 16_384, (await OpenAsync("records.ksa", Enough, [])).ExpectExit(4).Output.Length);

        await File.WriteAllBytesAsync(PathOf("records.ksa"), (await File.ReadAllBytesAsync(left.PathOf("records.ksa")))[..^5]);
        Assert.Empty((await OpenAsync("records.ksa", Enough, [])).ExpectExit(4).Output);
        await File.WriteAllBytesAsync(PathOf("records.ksa"), []);
        (await OpenAsync("records.ksa", Enough, ["-o", "out"])).ExpectExit(4);
        (await OpenAsync("bundle.ksb", Enough, ["-o", "out"])).ExpectExit(4);
        (await OpenAsync("nothing.ksa", Enough, ["-o", "out"])).ExpectExit(6);

        // Another installation's bundle: it holds no such key, is of another backup key, and another key signed it.
        await File.WriteAllBytesAsync(PathOf("other.ksb"), Convert.FromHexString(VectorBundle()));
        Assert.Contains("no bundle that was given holds key version", (await RunAsync(["open", "--bundle", "other.ksb", "--archive", "letter.ksa", "-o", "out", "--shares", .. Enough])).ExpectExit(6).Error, StringComparison.Ordinal);
        Assert.Contains("several backup keys", (await RunAsync(["open", "--bundle", "other.ksb", "bundle.ksb", "--archive", "letter.ksa", "-o", "out", "--shares", .. Enough])).ExpectExit(4).Error, StringComparison.Ordinal);
        Assert.Contains("signed by another key", (await RunAsync(["open", "--bundle", "other.ksb", "--archive", "letter.ksa", "-o", "out", "--signing-key", "signing-key.pem", "--shares", .. Enough])).ExpectExit(4).Error, StringComparison.Ordinal);

        await ChangeAsync("bundle.ksb", bytes => bytes[^1] ^= 1);
        Assert.Contains("signature does not hold", (await OpenAsync("letter.ksa", Enough, ["-o", "out"])).ExpectExit(4).Error, StringComparison.Ordinal);
        Assert.False(File.Exists(PathOf("out")));
        Assert.Empty(Directory.GetFiles(_directory, ".recover-*"));
    }

    [Fact]
    public async Task Every_three_of_five_shares_are_enough_and_every_changed_word_and_byte_is_noticed()
    {
        Assert.Equal(4, Lines((await RecoveryFile.JudgeAsync("--change", left.Directory)).ExpectExit(0)).Count(line => line.Contains("holds", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("--pure")]
    [InlineData("--bare")]
    public async Task It_holds_the_vectors(string pure)
    {
        var lines = Lines((await RecoveryFile.JudgeAsync(Flag(pure))).ExpectExit(0));
        string[] expected = pure == "--bare" ? ["archive", "key-blob", "slip39"] : ["archive", "backup-bundle", "cobblestone", "context", "field-token", "key-blob", "slip39", "wrapped-data-key"];
        Assert.Equal(expected, lines.Select(line => line.Split(':')[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_copy_with_a_mistake_in_it_says_so()
    {
        Take();
        var script = await File.ReadAllTextAsync(RecoveryFile.Script);
        foreach (var (right, wrong) in new[]
        {
            ("academic", "acadamic"), ("0x1B ", "0x1D "), ("0x11B", "0x11D"), ("0xE1 << 120", "0xE2 << 120"), ("0x87", "0x86"), ("- B) % P", "+ B) % P"), ("0x3090FC48", "0x3090FC84"),
            ("gf_multiply(13,", "gf_multiply(12,"), ("struct.pack(\">Q\", step + 1)", "struct.pack(\">Q\", step)"), ("\"sha512\"", "\"sha384\""), ("2500 <<", "2000 <<"), ("iterations - 1", "iterations"),
        }.Where(change => script.Contains(change.Item1, StringComparison.Ordinal)))
        {
            await File.WriteAllTextAsync(PathOf("keyservice_recover.py"), script.Replace(right, wrong, StringComparison.Ordinal));
            Assert.Contains("compare it with another", (await RunAsync("self-test", "--pure")).ExpectExit(4).Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_file_can_be_printed_and_needs_nothing_but_the_standard_library()
    {
        var lines = await File.ReadAllLinesAsync(RecoveryFile.Script);
        Assert.All(lines, line => Assert.True(line.Length <= 100 && line.All(c => c is >= ' ' and <= '~'), line));
        var guide = await File.ReadAllTextAsync(Path.Combine(RecoveryFile.Directory, "README.md"));
        Assert.Contains($"{lines.Length:N0} lines", guide, StringComparison.Ordinal);
        Take();
        Assert.Contains("MB/s", (await RunAsync("self-test")).ExpectExit(0).Text, StringComparison.Ordinal);
        Assert.Contains("Exit codes", (await RunAsync("--help")).ExpectExit(0).Text, StringComparison.Ordinal);
        (await RunAsync("open")).ExpectExit(2);
    }

    [Fact]
    public async Task The_guide_leads_where_it_says()
    {
        Take("bundle.ksb", "signing-key.pem", "records.ksa", "tokens.jsonl", "data-keys.jsonl");
        var guide = await File.ReadAllTextAsync(Path.Combine(RecoveryFile.Directory, "README.md"));
        var commands = RunBlock().Matches(guide).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal(["self-test", "list", "check", "open", "fields"], commands.Select(command => command.Split(' ')[4].Trim()));
        foreach (var command in commands)
        {
            (await Command.RunAsync("/bin/sh", ["-ec", command], new Dictionary<string, string?> { ["PATH"] = "/usr/bin:/bin" }, workingDirectory: _directory)).ExpectExit(0);
        }

        Assert.Equal(left.RecordsHash, SHA256.HashData(await File.ReadAllBytesAsync(PathOf("records.tar"))));
        Assert.Equal(left.Answers, (await File.ReadAllLinesAsync(PathOf("fields.jsonl"))).Select(Normal));
    }

    [Fact]
    public async Task A_bundle_says_what_is_in_it()
    {
        Take("bundle.ksb", "signing-key.pem");
        var text = (await RunAsync("list", "--bundle", "bundle.ksb", "--signing-key", "signing-key.pem")).ExpectExit(0).Text;
        Assert.Contains($"backup key   {left.BackupKeyId}", text, StringComparison.Ordinal);
        Assert.Contains("key ehr/fields, created 2", text, StringComparison.Ordinal);
        Assert.Contains(", active", text, StringComparison.Ordinal);
        Assert.DoesNotContain("not compared", text, StringComparison.Ordinal);
    }

    private static string[] Lines(CommandResult result) => result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string[] Flag(string flag) => flag.Length == 0 ? [] : [flag];

    private static string Normal(string json) =>
        System.Text.Json.JsonSerializer.Serialize(System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement>(json));

    private static string Other(string word)
    {
        Assert.True(ShareWordList.TryFind(word, out var number));
        return ShareWordList.At((number + 1) % ShareWordList.Count);
    }

    private static string VectorBundle()
    {
        using var vectors = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Infrastructure.RepositoryRoot, "tests/vectors/backup-bundle.json")));
        return vectors.RootElement.GetProperty("positive")[0].GetProperty("encoded").GetString()!;
    }

    private string PathOf(string name) => Path.Combine(_directory, name);

    /// <summary>The recovery file, the shares, and these files of what is left, in a directory of the test's own.</summary>
    private void Take(params IEnumerable<string> names)
    {
        foreach (var name in names.Concat(Enumerable.Range(1, AfterTheService.Shares).Select(AfterTheService.ShareName)).Append("keyservice_recover.py"))
        {
            File.Copy(left.PathOf(name), PathOf(name));
        }
    }

    private async Task ChangeAsync(string name, Action<byte[]> change)
    {
        var bytes = await File.ReadAllBytesAsync(PathOf(name));
        change(bytes);
        await File.WriteAllBytesAsync(PathOf(name), bytes);
    }

    private Task<CommandResult> RunAsync(params IEnumerable<string> arguments) => RecoveryFile.RunAsync(_directory, arguments);

    private Task<CommandResult> TypeAsync(byte[] lines, params IEnumerable<string> arguments) => RecoveryFile.RunAsync(_directory, arguments, lines);

    private Task<CommandResult> OpenAsync(string archive, IEnumerable<string> shares, IEnumerable<string> rest) =>
        RunAsync(["open", "--bundle", "bundle.ksb", "--archive", archive, .. rest, "--shares", .. shares]);

    private Task<CommandResult> FieldsAsync(IEnumerable<string> shares, IEnumerable<string> rest) =>
        RunAsync(["fields", "--bundle", "bundle.ksb", "--tokens", "tokens.jsonl", .. rest, "--shares", .. shares]);

    [GeneratedRegex("[a-z]{4,8}")]
    private static partial Regex Word();

    [GeneratedRegex(@"^```sh run\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex RunBlock();
}
