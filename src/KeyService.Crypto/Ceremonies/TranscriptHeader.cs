using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;

namespace KeyService.Crypto.Ceremonies;

/// <summary>How a transcript begins: which ceremony, by which script.</summary>
/// <param name="Ceremony">16 random bytes.</param>
/// <param name="Kind">One of <see cref="CeremonyKind"/>.</param>
/// <param name="IsRehearsal">Practice on a toy token: nothing of it counts.</param>
/// <param name="Script">SHA-256 of the script, 32 bytes.</param>
public sealed record TranscriptHeader(ReadOnlyMemory<byte> Ceremony, string Kind, bool IsRehearsal, ReadOnlyMemory<byte> Script)
{
    internal const int CeremonyLength = 16;
    private const string FirstLine = "keyservice/transcript/v1";
    private const string Yes = "yes";
    private const string No = "no";

    /// <summary>Whether every part keeps its rule.</summary>
    public bool IsValid => Ceremony.Length == CeremonyLength && CeremonyKind.All.Contains(Kind) && Script.Length == SHA256.HashSizeInBytes;

    /// <summary>The lines before the entries.</summary>
    public byte[] ToArray() => Encoding.ASCII.GetBytes(
        $"{FirstLine}\nceremony {Convert.ToHexStringLower(Ceremony.Span)}\nkind {Kind}\nrehearsal {(IsRehearsal ? Yes : No)}\nscript {Convert.ToHexStringLower(Script.Span)}\n");

    internal static TranscriptHeader? Read(DocumentLines lines) =>
        lines.Label(FirstLine) && lines.Hex("ceremony", CeremonyLength, out byte[] ceremony) && lines.Text("kind", out string kind)
        && lines.Text("rehearsal", out string rehearsal) && rehearsal is Yes or No && lines.Hex("script", SHA256.HashSizeInBytes, out byte[] script)
        && new TranscriptHeader(ceremony, kind, rehearsal == Yes, script) is { IsValid: true } header
            ? header
            : null;
}
