using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto.Approvals;

namespace KeyService.Crypto.Ceremonies;

/// <summary>
/// What was done in a ceremony: a chain of entries, each hashed with the one before, signed at its end by the HSM and by who took part.
/// docs/spec/transcript.md. The same lines are the journal while the ceremony goes on. Immutable.
/// </summary>
public sealed class Transcript
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = 4 << 20;

    private const int MaxEntries = 10_000;
    private const int MaxSignatures = 65;
    private readonly byte[] _head;

    private Transcript(TranscriptHeader header, IReadOnlyList<TranscriptEntry> entries, byte[] head, IReadOnlyList<TranscriptSignature> signatures)
    {
        Header = header;
        Entries = entries;
        _head = head;
        Signatures = signatures;
    }

    /// <summary>How it begins.</summary>
    public TranscriptHeader Header { get; }

    /// <summary>In the order in which they were made.</summary>
    public IReadOnlyList<TranscriptEntry> Entries { get; }

    /// <summary>Empty until it has ended.</summary>
    public IReadOnlyList<TranscriptSignature> Signatures { get; }

    /// <summary>Hash of the last entry, or of the header: 32 bytes. It stands for everything before it.</summary>
    public ReadOnlyMemory<byte> Head => _head;

    /// <summary>Whether an entry says that nothing follows.</summary>
    public bool HasEnded => Entries is [.., { Type: TranscriptEntryType.End }];

    /// <exception cref="ArgumentException">The header breaks a rule.</exception>
    public static Transcript Begin(TranscriptHeader header) => header.IsValid
        ? new Transcript(header, [], SHA256.HashData(header.ToArray()), [])
        : throw new ArgumentException("A transcript begins with an id of 16 bytes, a known kind and the hash of its script.", nameof(header));

    /// <summary>With one entry more.</summary>
    /// <param name="line">The line to append to the journal, newline included.</param>
    /// <exception cref="ArgumentException">The entry breaks a rule.</exception>
    /// <exception cref="InvalidOperationException">The transcript has ended.</exception>
    public Transcript Add(TranscriptEntry entry, out byte[] line)
    {
        if (HasEnded || Entries.Count == MaxEntries)
        {
            throw new InvalidOperationException("A transcript that has ended takes no entry, nor does one that is full.");
        }
        if (!entry.IsValid)
        {
            throw new ArgumentException("An entry's subject is of [a-z0-9._/-], its text not empty and not longer than 4,096 characters, its time in whole seconds.", nameof(entry));
        }
        byte[] head = Next(_head, entry);
        line = Encoding.ASCII.GetBytes(LineOf(head, entry));
        return new Transcript(Header, [.. Entries, entry], head, []);
    }

    /// <summary>With a signature more, or in the place of the signer's earlier one.</summary>
    /// <param name="sign">From the bytes to sign to r and s, 64 bytes: ECDSA P-256 over their SHA-256.</param>
    /// <exception cref="InvalidOperationException">It has not ended.</exception>
    public Transcript Sign(bool isHsm, string signer, ReadOnlySpan<byte> publicKey, Func<byte[], byte[]> sign)
    {
        if (!HasEnded)
        {
            throw new InvalidOperationException("Only a transcript that has ended is signed.");
        }
        var added = new TranscriptSignature(isHsm, signer, publicKey.ToArray(), OfficerSignature.Normalise(sign(SignedText(signer))));
        return added.IsValid
            ? new Transcript(Header, Entries, _head, [.. Signatures.Where(each => each.Order != added.Order).Append(added).OrderBy(each => each.Order, StringComparer.Ordinal)])
            : throw new ArgumentException("A signer has a name of [a-z0-9._-] and a key on P-256.", nameof(signer));
    }

    /// <summary>What a signer signs.</summary>
    public byte[] SignedText(string signer) => Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $"keyservice/transcript-signature/v1\nceremony {Convert.ToHexStringLower(Header.Ceremony.Span)}\nentries {Entries.Count}\nhash {Convert.ToHexStringLower(_head)}\nas {signer}\n"));

    /// <summary>Whether a signature under it is one by its key.</summary>
    public bool Verifies(TranscriptSignature signature) =>
        OfficerSignature.Verifies(signature.PublicKey.Span, SignedText(signature.Signer), signature.Signature.Span);

    /// <summary>The document's bytes; of one that has not ended, those of the journal.</summary>
    public byte[] ToArray()
    {
        var text = new StringBuilder(Encoding.ASCII.GetString(Header.ToArray()));
        byte[] head = SHA256.HashData(Header.ToArray());
        foreach (TranscriptEntry entry in Entries)
        {
            head = Next(head, entry);
            text.Append(LineOf(head, entry));
        }
        if (HasEnded)
        {
            text.Append(CultureInfo.InvariantCulture, $"signatures {Signatures.Count}\n");
            foreach (TranscriptSignature signature in Signatures)
            {
                text.Append(signature.ToLine()).Append('\n');
            }
        }
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <summary>False for every text that <see cref="ToArray"/> does not write, a chain that does not hold included.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out Transcript? transcript)
    {
        transcript = null;
        if (!DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) || TranscriptHeader.Read(lines) is not { } header)
        {
            return false;
        }
        var entries = new List<TranscriptEntry>();
        byte[] head = SHA256.HashData(header.ToArray());
        while (!lines.AtEnd && entries is not [.., { Type: TranscriptEntryType.End }])
        {
            if (!lines.Pair(out string hash, out string line) || TranscriptEntry.Read(line) is not { } entry || entries.Count == MaxEntries)
            {
                return false;
            }
            head = Next(head, entry);
            if (Convert.ToHexStringLower(head) != hash)
            {
                return false;
            }
            entries.Add(entry);
        }
        if (entries is not [.., { Type: TranscriptEntryType.End }])
        {
            transcript = new Transcript(header, entries, head, []);
            return true;
        }
        if (!TryReadSignatures(lines, out List<TranscriptSignature> signatures))
        {
            return false;
        }
        transcript = new Transcript(header, entries, head, signatures);
        return true;
    }

    private static bool TryReadSignatures(DocumentLines lines, out List<TranscriptSignature> signatures)
    {
        signatures = [];
        if (!lines.Number("signatures", 0, MaxSignatures, out int count))
        {
            return false;
        }
        for (int i = 0; i < count; i++)
        {
            if (!lines.Pair(out string word, out string rest) || TranscriptSignature.Read(word, rest) is not { } signature
                || (signatures is [.., var before] && string.CompareOrdinal(before.Order, signature.Order) >= 0))
            {
                return false;
            }
            signatures.Add(signature);
        }
        return lines.AtEnd;
    }

    private static byte[] Next(byte[] head, TranscriptEntry entry) => SHA256.HashData([.. head, .. Encoding.ASCII.GetBytes(entry.ToLine())]);

    private static string LineOf(byte[] head, TranscriptEntry entry) => $"{Convert.ToHexStringLower(head)} {entry.ToLine()}\n";
}
