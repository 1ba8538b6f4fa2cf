using System.CommandLine;
using KeyService.Cli.Approvals;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Crypto.Approvals;
using KeyService.Crypto.Ceremonies;

namespace KeyService.Cli.Ceremonies;

/// <summary>Keys that the caller knows from elsewhere than the transcript, to compare its signers' with.</summary>
internal sealed class KnownSigners
{
    private const string HsmId = "hsm";
    private readonly Dictionary<string, byte[]> keys = new(StringComparer.Ordinal);

    /// <summary>How a signer is called: by name, and the HSM as hsm.</summary>
    public static string Id(TranscriptSignature signature) => signature.IsHsm ? HsmId : signature.Signer;

    public bool Knows(TranscriptSignature signature) => keys.ContainsKey(Id(signature));

    public bool IsOther(TranscriptSignature signature) => keys.TryGetValue(Id(signature), out var key) && !key.AsSpan().SequenceEqual(signature.PublicKey.Span);

    /// <summary>Signers whose keys are others than those that are known, and the HSM when it must have signed and has not.</summary>
    public IReadOnlyList<string> Contradictions(Transcript transcript) =>
    [
        .. transcript.Signatures.Where(IsOther).Select(Id),
        .. keys.Keys.Where(id => id == HsmId && !transcript.Signatures.Any(each => each.IsHsm)),
    ];

    /// <summary>Options of commands that verify a transcript.</summary>
    internal sealed class Options
    {
        private readonly Option<string?> hsmKey = new("--hsm-key") { Description = "Public key (PEM) that the HSM must have signed with", HelpName = "FILE" };

        private readonly Option<string[]> keys = new("--key")
        {
            Description = "A person and the public key that he or she must have signed with", HelpName = "NAME=FILE", DefaultValueFactory = _ => [],
        };

        private readonly Option<string?> roster = new("--roster") { Description = "Roster whose officers' keys are compared with those of the people of the same names", HelpName = "FILE" };

        public void AddTo(Command command)
        {
            command.Add(hsmKey);
            command.Add(keys);
            command.Add(roster);
        }

        public async Task<KnownSigners> ReadAsync(Invocation run)
        {
            var known = new KnownSigners();
            if (run.Get(roster) is { } path)
            {
                var bytes = await InputFile.ReadSmallAsync(path, SignedRoster.MaxLength, run.Cancellation).ConfigureAwait(false);
                if (!SignedRoster.TryParse(bytes, out var signed))
                {
                    throw CliError.Usage($"{path} is no roster.", "keyservice officer roster create writes one.");
                }
                foreach (var officer in signed!.Roster.Officers)
                {
                    known.keys[officer.Id] = officer.PublicKey.ToArray();
                }
            }
            foreach (var text in run.Get(keys)!)
            {
                if (text.Split('=', 2) is not [var name, var file])
                {
                    throw CliError.Usage($"\"{text}\" is nobody's key.", "Write --key NAME=FILE.pub.");
                }
                known.keys[name] = await OfficerKey.ReadPublicAsync(file, run.Cancellation).ConfigureAwait(false);
            }
            if (run.Get(hsmKey) is { } key)
            {
                known.keys[HsmId] = await OfficerKey.ReadPublicAsync(key, run.Cancellation).ConfigureAwait(false);
            }
            return known;
        }
    }
}
