using System.Security.Cryptography;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Ceremonies;
using KeyService.Hsm;

namespace KeyService.Cli.Ceremonies;

/// <summary>The end of every ceremony, void ones included: the HSM and the people sign.</summary>
internal static class SignOff
{
    internal const string HsmLabel = "transcripts";

    public static async Task RunAsync(CeremonyRun run, CancellationToken cancellation)
    {
        run.Desk.Heading("Signatures", run.Script.Title);
        run.Desk.Say($"The transcript ends with the hash {Convert.ToHexStringLower(run.Journal.Transcript.Head.Span)}. Read it aloud: it is what everybody signs.");
        if (run.Journal.Last(TranscriptEntryType.Fact, TranscriptVerdict.WithoutHsm) is null && !run.Journal.Transcript.Signatures.Any(each => each.IsHsm))
        {
            await SignByHsmAsync(run, cancellation).ConfigureAwait(false);
        }
        foreach (var person in run.Present.Where(each => !run.Journal.Transcript.Signatures.Any(signature => !signature.IsHsm && signature.Signer == each.Name)))
        {
            try
            {
                await SignByPersonAsync(run, person, cancellation).ConfigureAwait(false);
            }
            catch (CeremonyStoppedException)
            {
                return; // whoever has not signed may do so later
            }
        }
    }

    private static async Task SignByHsmAsync(CeremonyRun run, CancellationToken cancellation)
    {
        try
        {
            var token = run.Token;
            var signer = SignerOf(token.TokenId);
            var publicKey = await token.GetSigningKeyAsync(HsmLabel, cancellation).ConfigureAwait(false);
            var signature = await token.SignAsync(HsmLabel, SHA256.HashData(run.Journal.Transcript.SignedText(signer)), cancellation).ConfigureAwait(false);
            run.Journal.Sign(isHsm: true, signer, publicKey, _ => signature);
            run.Desk.Say($"  The HSM has signed, by key {Convert.ToHexStringLower(SHA256.HashData(publicKey))}.");
        }
        catch (HsmException e)
        {
            run.Desk.Warn($"The HSM has not signed: {e.Message} Go on with keyservice ceremony resume when it is back.");
        }
    }

    private static async Task SignByPersonAsync(CeremonyRun run, CeremonyPerson person, CancellationToken cancellation)
    {
        if (!run.Plan.SigningKeys.TryGetValue(person.Name, out var file))
        {
            file = run.Desk.Ask($"{person.FullName}, {person.Role}: the file of your own key, or Enter to sign on paper only.");
            if (file.Length == 0)
            {
                return;
            }
        }
        while (true)
        {
            try
            {
                using var passphrase = run.Desk.AskPassphrase($"of {file} ({person.FullName})");
                using var key = await OfficerKey.ReadAsync(file, passphrase, cancellation).ConfigureAwait(false);
                run.Journal.Sign(isHsm: false, person.Name, key.PublicKey, key.Sign);
                run.Desk.Say($"  {person.FullName} has signed.");
                return;
            }
            catch (Exception e) when (e is CliError { ExitCode: not ExitCode.Interrupted } or IOException)
            {
                var failure = Failure.Of(e);
                run.Desk.Warn($"{failure.Message} {failure.Advice}");
                if (run.Desk.Ask("Press Enter to try again, or type paper to sign on paper only.") == "paper")
                {
                    return;
                }
            }
        }
    }

    // Serial numbers of tokens know more characters than names do.
    private static string SignerOf(string serial)
    {
        var name = serial.ToLowerInvariant();
        return ApprovalName.IsName(name) ? name : "token";
    }
}
