using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>A signature on a roster.</summary>
/// <param name="Accepts">True: by the key that this roster gives the officer, who thereby shows that it is at hand. False: by an officer of the
/// roster before, who appoints.</param>
/// <param name="Officer">Whose key.</param>
/// <param name="Signature">r and s over SHA-256 of the roster's text, 64 bytes.</param>
public sealed record RosterSignature(bool Accepts, string Officer, ReadOnlyMemory<byte> Signature);

/// <summary>
/// A roster with its signatures. Who is new, or has a new key, accepts with it; a quorum of the roster before appoints. The first roster is accepted
/// by all its officers. That it parses says nothing of the signatures: <see cref="RosterChain"/> does.
/// </summary>
public sealed class SignedRoster
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = Approvals.Roster.MaxLength;

    private const string AcceptsWord = "accepts";
    private const string AppointsWord = "appoints";
    private const int MaxSignatures = 2 * Approvals.Roster.MaxOfficers;

    private SignedRoster(Roster roster, IReadOnlyList<RosterSignature> signatures)
    {
        Roster = roster;
        Signatures = signatures;
    }

    /// <summary>What is signed.</summary>
    public Roster Roster { get; }

    /// <summary>In the order accepting before appointing, then of ids; each at most once.</summary>
    public IReadOnlyList<RosterSignature> Signatures { get; }

    /// <summary>A roster that nobody signed yet.</summary>
    public static SignedRoster Of(Roster roster) => new(roster, []);

    /// <summary>The same with one signature more, or with this one in the place of the officer's earlier one.</summary>
    /// <param name="sign">From the bytes to sign to r and s, 64 bytes: ECDSA P-256 over their SHA-256.</param>
    public SignedRoster Sign(bool accepts, string officer, Func<byte[], byte[]> sign)
    {
        var added = new RosterSignature(accepts, officer, OfficerSignature.Normalise(sign(Roster.ToArray())));
        return new SignedRoster(Roster, [.. Signatures.Where(each => each.Accepts != accepts || each.Officer != officer).Append(added)
            .OrderBy(Order, StringComparer.Ordinal)]);
    }

    /// <summary>The signatures of both.</summary>
    /// <exception cref="ArgumentException">It is another roster.</exception>
    public SignedRoster With(SignedRoster other)
    {
        if (!other.Roster.ToArray().AsSpan().SequenceEqual(Roster.ToArray()))
        {
            throw new ArgumentException("The signatures are on another roster.", nameof(other));
        }
        IEnumerable<RosterSignature> own = Signatures.Where(each => other.Signatures.All(theirs => Order(theirs) != Order(each)));
        return new SignedRoster(Roster, [.. own.Concat(other.Signatures).OrderBy(Order, StringComparer.Ordinal)]);
    }

    /// <summary>The document's bytes.</summary>
    public byte[] ToArray()
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"signatures {Signatures.Count}\n");
        foreach (RosterSignature signature in Signatures)
        {
            text.Append(signature.Accepts ? AcceptsWord : AppointsWord).Append(' ').Append(signature.Officer).Append(' ')
                .Append(Convert.ToBase64String(signature.Signature.Span)).Append('\n');
        }
        return [.. Roster.ToArray(), .. Encoding.ASCII.GetBytes(text.ToString())];
    }

    /// <summary>False for every text that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out SignedRoster? signed)
    {
        signed = null;
        if (!DocumentLines.TryRead(bytes, MaxLength, out DocumentLines lines) || !Approvals.Roster.TryRead(lines, out Roster? roster)
            || !lines.Number("signatures", 0, MaxSignatures, out int count))
        {
            return false;
        }
        var signatures = new List<RosterSignature>();
        for (int i = 0; i < count; i++)
        {
            if (!lines.Pair(out string word, out string rest) || word is not (AcceptsWord or AppointsWord)
                || rest.Split(' ') is not [var officer, var text]
                || !ApprovalName.IsName(officer) || !Logs.StrictBase64.TryDecode(text, out byte[] signature)
                || signature.Length != OfficerSignature.Length)
            {
                return false;
            }
            signatures.Add(new RosterSignature(word == AcceptsWord, officer, signature));
        }
        if (!lines.AtEnd || signatures.Zip(signatures.Skip(1)).Any(pair => string.CompareOrdinal(Order(pair.First), Order(pair.Second)) >= 0))
        {
            return false;
        }
        signed = new SignedRoster(roster!, signatures);
        return true;
    }

    private static string Order(RosterSignature signature) => $"{(signature.Accepts ? AcceptsWord : AppointsWord)} {signature.Officer}";
}
