using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>An officer and the key that signs for him or her.</summary>
/// <param name="Id">The principal's name.</param>
/// <param name="PublicKey">SubjectPublicKeyInfo of P-256, uncompressed, 91 bytes.</param>
public sealed record Officer(string Id, ReadOnlyMemory<byte> PublicKey)
{
    /// <summary>Whether it is the same officer with the same key.</summary>
    public bool IsSame(Officer other) => Id == other.Id && PublicKey.Span.SequenceEqual(other.PublicKey.Span);
}

/// <summary>
/// Who may decide, from when on, and how many of them it takes. docs/spec/approvals.md. Rosters are a chain: each names the hash of the one before.
/// </summary>
public sealed class Roster
{
    /// <summary>Officers at most.</summary>
    public const int MaxOfficers = 64;

    internal const int MaxLength = 1 << 16;
    private const string FirstLine = "keyservice/roster/v1";
    private const string NoPrevious = "none";
    private readonly Dictionary<string, Officer> _byId;

    private Roster(byte[] installation, int sequence, byte[]? previous, DateTimeOffset validFrom, Quorum quorum, IReadOnlyList<Officer> officers)
    {
        Installation = installation;
        Sequence = sequence;
        // A null array would become an empty memory, not none.
        Previous = previous is null ? default(ReadOnlyMemory<byte>?) : previous;
        ValidFrom = validFrom;
        Quorum = quorum;
        Officers = officers;
        _byId = officers.ToDictionary(officer => officer.Id, StringComparer.Ordinal);
    }

    /// <summary>Id of the installation, 16 bytes.</summary>
    public ReadOnlyMemory<byte> Installation { get; }

    /// <summary>1 for the first, and one more for each that follows.</summary>
    public int Sequence { get; }

    /// <summary>Hash of the roster before, 32 bytes; null for the first.</summary>
    public ReadOnlyMemory<byte>? Previous { get; }

    /// <summary>From then on it decides, in whole seconds.</summary>
    public DateTimeOffset ValidFrom { get; }

    /// <summary>How many officers must agree.</summary>
    public Quorum Quorum { get; }

    /// <summary>In the order of their ids; as many as the quorum at least.</summary>
    public IReadOnlyList<Officer> Officers { get; }

    /// <summary>SHA-256 of the text, 32 bytes.</summary>
    public byte[] Hash => SHA256.HashData(ToArray());

    /// <param name="previous">Null for the first roster.</param>
    /// <exception cref="ArgumentException">Something breaks its rule; officers and keys must differ, and be as many as the quorum.</exception>
    public static Roster Create(ReadOnlySpan<byte> installation, Roster? previous, DateTimeOffset validFrom, Quorum quorum,
        IEnumerable<Officer> officers)
    {
        Officer[] sorted = [.. officers.OrderBy(officer => officer.Id, StringComparer.Ordinal)];
        return installation.Length == ApprovalRequest.InstallationLength && KeepsRules(sorted, quorum)
            ? new Roster(installation.ToArray(), (previous?.Sequence ?? 0) + 1, previous?.Hash, DocumentLines.WholeSeconds(validFrom), quorum, sorted)
            : throw new ArgumentException("Officers and their keys must differ, keys be of P-256, and the officers as many as the quorum.",
            nameof(officers));
    }

    /// <summary>The officer of that id; null when there is none.</summary>
    public Officer? Find(string id) => _byId.GetValueOrDefault(id);

    /// <summary>The bytes that are hashed and signed.</summary>
    public byte[] ToArray()
    {
        var text = new StringBuilder();
        text.Append(FirstLine).Append('\n')
            .Append("installation ").Append(Convert.ToHexStringLower(Installation.Span)).Append('\n')
            .Append(CultureInfo.InvariantCulture, $"sequence {Sequence}\n")
            .Append("previous ").Append(Previous is { } previous ? Convert.ToHexStringLower(previous.Span) : NoPrevious).Append('\n')
            .Append("valid-from ").Append(DocumentLines.TimeText(ValidFrom)).Append('\n')
            .Append("quorum ").Append(Quorum).Append('\n')
            .Append(CultureInfo.InvariantCulture, $"officers {Officers.Count}\n");
        foreach (Officer officer in Officers)
        {
            text.Append(officer.Id).Append(' ').Append(Convert.ToBase64String(officer.PublicKey.Span)).Append('\n');
        }
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    internal static bool TryRead(DocumentLines lines, out Roster? roster)
    {
        roster = null;
        if (!lines.Label(FirstLine) || !lines.Hex("installation", ApprovalRequest.InstallationLength, out byte[] installation)
            || !lines.Number("sequence", 1, int.MaxValue, out int sequence)
            || !TryPrevious(lines, sequence, out byte[]? previous) || !lines.Time("valid-from", out DateTimeOffset validFrom)
            || !lines.Number("quorum", Quorum.Least, MaxOfficers, out int required) || !Quorum.TryOf(required, out Quorum quorum)
            || !lines.Number("officers", required, MaxOfficers, out int count))
        {
            return false;
        }
        var officers = new List<Officer>();
        for (int i = 0; i < count; i++)
        {
            if (!lines.Pair(out string id, out string key) || !Logs.StrictBase64.TryDecode(key, out byte[] bytes))
            {
                return false;
            }
            officers.Add(new Officer(id, bytes));
        }
        if (!KeepsRules(officers, quorum))
        {
            return false;
        }
        roster = new Roster(installation, sequence, previous, validFrom, quorum, officers);
        return true;
    }

    private static bool TryPrevious(DocumentLines lines, int sequence, out byte[]? previous)
    {
        previous = null;
        return sequence == 1 ? lines.Text("previous", out string none) && none == NoPrevious
            : lines.Hex("previous", ApprovalRequest.DigestLength, out previous!);
    }

    // Sorted by id, all ids and keys different. Two names for one key would let one person be two.
    private static bool KeepsRules(IReadOnlyList<Officer> officers, Quorum quorum) => officers.Count >= quorum.Required
        && officers.Count <= MaxOfficers
        && officers.All(officer => ApprovalName.IsName(officer.Id) && OfficerSignature.IsPublicKey(officer.PublicKey.Span))
        && officers.Zip(officers.Skip(1)).All(pair => string.CompareOrdinal(pair.First.Id, pair.Second.Id) < 0)
        && officers.Select(officer => Convert.ToHexString(officer.PublicKey.Span)).Distinct(StringComparer.Ordinal).Count() == officers.Count;
}
