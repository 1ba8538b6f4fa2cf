using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.IO;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>Shares come to their custodians, one at a time, and are checked again later.</summary>
internal static class ShareSteps
{
    private const int MinKeyBits = 3072;
    private const string NoSerial = "A serial number has 1 to 64 characters without spaces.";

    public static async Task HandOutAsync(CeremonyRun run, CancellationToken cancellation)
    {
        foreach (var (custodian, share) in run.Custodians.Zip(run.Handout))
        {
            cancellation.ThrowIfCancellationRequested();
            await run.PartAsync($"5/{share.MemberIndex + 1}", $"Share {share.MemberIndex + 1} goes to {custodian.FullName}", custodian,
                () => HandOutAsync(run, custodian, share, cancellation)).ConfigureAwait(false);
        }
    }

    /// <summary>Each custodian's share against the digest that was recorded when it was handed out.</summary>
    public static async Task CheckAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var recorded = ShareRecord.Of(run, "3");
        var good = 0;
        foreach (var entry in recorded.Shares)
        {
            cancellation.ThrowIfCancellationRequested();
            var number = $"3/{entry.Index}";
            var custodian = run.Present.FirstOrDefault(each => each.Name == entry.Custodian && each.Role == CeremonyRole.Custodian);
            if (custodian is null)
            {
                if (!run.Journal.IsDone(number))
                {
                    run.Deviate(number, $"Share {entry.Index} was not checked: {entry.Custodian} is not here.");
                }
                continue;
            }
            await run.PartAsync(number, $"Share {entry.Index}, held by {custodian.FullName}", custodian, () =>
            {
                CheckOne(run, number, entry, custodian, recorded);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
            good += IsWhole(run, number) ? 1 : 0;
        }
        run.Fact("shares.checked", string.Create(CultureInfo.InvariantCulture, $"{good} of {recorded.Shares.Count} are as they were handed out; {recorded.Threshold} are needed"));
        if (good < recorded.Threshold)
        {
            run.Deviate("3", "Fewer shares were proven than a restore needs. Find the others, or hold a backup-key ceremony while the service still runs.");
        }
    }

    // What was found last: a part that was interrupted was done again.
    private static bool IsWhole(CeremonyRun run, string number) =>
        run.Journal.Transcript.Entries.LastOrDefault(each => each.Subject == number && each.Type is TranscriptEntryType.Observe or TranscriptEntryType.Deviation) is
            { Type: TranscriptEntryType.Observe } found && found.Text.StartsWith(Whole, StringComparison.Ordinal);

    private const string Whole = "As it was handed out";

    private static void CheckOne(CeremonyRun run, string number, RecordedShare entry, CeremonyPerson custodian, ShareRecord recorded)
    {
        using var share = ShareEntry.Read(run.Desk, $"Share {entry.Index}, {custodian.FullName}", ShareRecord.WordCount, out var problem);
        var found = share is null ? problem!
            : ShareDigest.Of(share).AsSpan().SequenceEqual(entry.Digest) ? $"{Whole}: set {recorded.Set}, share {entry.Index}."
            : $"Not the share that was handed out: {Describe(share)}.";
        if (found.StartsWith(Whole, StringComparison.Ordinal))
        {
            run.Observe(number, found);
        }
        else
        {
            run.Deviate(number, $"{custodian.FullName}, share {entry.Index}: {found}");
        }
    }

    internal static string Describe(Share share) => string.Create(CultureInfo.InvariantCulture,
        $"it is share {share.MemberIndex + 1} of set {share.Set.Identifier}, of which {share.MemberThreshold} are needed");

    private static async Task HandOutAsync(CeremonyRun run, CeremonyPerson custodian, Share share, CancellationToken cancellation)
    {
        var heading = $"Share {share.MemberIndex + 1} of {run.Handout.Count} · {custodian.FullName}";
        var words = new ushort[share.WordCount];
        string? prepared = null;
        try
        {
            share.WriteWords(words);
            if (run.Plan.ShareKeys.TryGetValue(custodian.Name, out var keyFile))
            {
                await EncryptAsync(run, custodian, share, words, keyFile, cancellation).ConfigureAwait(false);
            }
            else if (run.Plan.SharePrinter.Count > 0)
            {
                prepared = Bag(run, $"An empty bag lies ready for {custodian.FullName}. What is the serial number of the bag?");
                if (!await PrintAsync(run, custodian, share, words, prepared, cancellation).ConfigureAwait(false))
                {
                    Show(run, custodian, heading, words);
                }
            }
            else
            {
                Show(run, custodian, heading, words);
            }
            var typed = ShareEntry.ReadAgain(run.Desk, heading, words);
            run.Shares.Add(typed);
            var bag = prepared is null ? Bag(run, $"{custodian.FullName} puts the paper into a bag and seals it. What is the serial number of the bag?") : Sealed(run, custodian, share, prepared);
            var recorded = new RecordedShare(share.Set.Identifier, share.MemberIndex + 1, share.MemberThreshold, ShareDigest.Of(typed), custodian.Name, bag);
            run.Journal.Add(TranscriptEntryType.Share, recorded.Subject, recorded.Text);
            run.Desk.Say($"Share {share.MemberIndex + 1} is with {custodian.FullName}, in bag {bag}.");
        }
        finally
        {
            words.AsSpan().Clear();
        }
    }

    private static void Show(CeremonyRun run, CeremonyPerson custodian, string heading, ReadOnlySpan<ushort> words)
    {
        run.Desk.Ask($"{custodian.FullName} sits down at the screen, everybody else looks away. Press Enter to see the words.");
        run.Desk.ShowShare(heading, words);
    }

    // False: the custodian has no page to type from, and the transcript says why.
    private static async Task<bool> PrintAsync(CeremonyRun run, CeremonyPerson custodian, Share share, ushort[] words, string bag, CancellationToken cancellation)
    {
        var printer = run.Plan.SharePrinter[0];
        run.Desk.Ask($"{custodian.FullName} stands at the printer, everybody else looks away. Press Enter to print the share.");
        var page = SharePage.Of(new SharePageText(run.Plan.IsRehearsal, run.Plan.Kind, Convert.ToHexStringLower(run.Journal.Transcript.Header.Ceremony.Span), custodian.FullName,
            share.MemberIndex + 1, run.Handout.Count, share.MemberThreshold, share.Set.Identifier, run.RecordedFact(TokenSteps.BackupKeyFact)!, bag), words);
        if (await SharePrinter.PrintAsync(run.Plan.SharePrinter, page, SharePrinter.Patience, cancellation).ConfigureAwait(false) is { } problem)
        {
            NotPrinted(run, share, $"{printer} did not print share {share.MemberIndex + 1}: {problem}.");
            return false;
        }
        // A command may end well before the paper is there, or without any.
        if (run.Desk.Ask($"{custodian.FullName} takes the page. Press Enter when it is one page and every word can be read; otherwise say what came out.") is { Length: > 0 } wrong)
        {
            NotPrinted(run, share, $"{printer} ended well, and share {share.MemberIndex + 1} cannot be read from paper: {wrong}");
            return false;
        }
        run.Observe($"5/{share.MemberIndex + 1}", $"Share {share.MemberIndex + 1} was printed by {printer} for bag {bag}, on one page that {custodian.FullName} took.");
        return true;
    }

    private static void NotPrinted(CeremonyRun run, Share share, string why) => run.Deviate($"5/{share.MemberIndex + 1}",
        $"{why} It is shown on the screen instead; what came out of the printer, and what still waits in it, is destroyed before witnesses.");

    // The number stands on the page already.
    private static string Sealed(CeremonyRun run, CeremonyPerson custodian, Share share, string prepared)
    {
        var question = $"{custodian.FullName} puts the paper into bag {prepared} and seals it. Press Enter when it is closed; if it is another bag, type its serial number.";
        while (run.Desk.Ask(question) is { Length: > 0 } other && other != prepared)
        {
            if (IsSerial(other))
            {
                run.Deviate($"5/{share.MemberIndex + 1}", $"Share {share.MemberIndex + 1} is in bag {other}, and not in bag {prepared}, which was made ready for it.");
                return other;
            }
            run.Desk.Warn(NoSerial);
        }
        return prepared;
    }

    private static bool IsSerial(string text) => text.Length is > 0 and <= 64 && !text.Contains(' ', StringComparison.Ordinal);

    private static string Bag(CeremonyRun run, string question)
    {
        while (true)
        {
            var bag = run.Desk.Ask(question);
            if (IsSerial(bag))
            {
                return bag;
            }
            run.Desk.Warn(NoSerial);
        }
    }

    // For a custodian who is not in the room, or will not write: RSAES-OAEP with SHA-256, which openssl pkeyutl opens anywhere.
    private static async Task EncryptAsync(CeremonyRun run, CeremonyPerson custodian, Share share, ushort[] words, string keyFile, CancellationToken cancellation)
    {
        using var rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(await File.ReadAllTextAsync(keyFile, cancellation).ConfigureAwait(false));
        }
        catch (ArgumentException e)
        {
            throw new CliError(ExitCode.Usage, "USAGE", $"{keyFile} holds no public key.", $"Give an RSA key of {MinKeyBits} bits or more as PEM.", e);
        }
        if (rsa.KeySize < MinKeyBits)
        {
            throw CliError.Usage($"{keyFile} is an RSA key of {rsa.KeySize} bits.", $"Give one of {MinKeyBits} bits or more.");
        }
        var text = GC.AllocateArray<byte>(320, pinned: true);
        try
        {
            var length = 0;
            foreach (var word in words)
            {
                length += Encoding.ASCII.GetBytes(ShareWordList.At(word), text.AsSpan(length));
                text[length++] = (byte)' ';
            }
            var name = $"share-{share.MemberIndex + 1}-{custodian.Name}.bin";
            var encrypted = rsa.Encrypt(text.AsSpan(0, length - 1), RSAEncryptionPadding.OaepSHA256);
            DurableFile.WriteAllBytes(Path.Combine(run.Directory, name), encrypted, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            run.Journal.Add(TranscriptEntryType.Attach, name, $"{Convert.ToHexStringLower(SHA256.HashData(encrypted))} {encrypted.Length}");
            run.Desk.Say($"The share is in {name}, encrypted to the key of {custodian.FullName}. It opens on that person's own machine with: "
                + $"openssl pkeyutl -decrypt -inkey KEY -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -in {name}");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
        }
    }
}
