using System.Buffers.Binary;
using System.Text;

namespace KeyService.Crypto;

/// <summary>
/// What narrows a grant beyond its permissions and keys: a context constraint and quotas, in the canonical bytes of docs/spec/grant-terms.md.
/// <code>01 | rules 1 | (key length 2 | key | kind 1 | values 2 | (value length 2 | value)...)... | quotas 1 | (measure 1 | window 1 | limit 8)...</code>
/// Only terms that a plain context cannot say have this form: a prefix, a set, or a quota.
/// </summary>
public sealed class GrantTerms : IEquatable<GrantTerms>
{
    /// <summary>Bytes of the encoded form at most.</summary>
    public const int MaxEncodedLength = 8192;

    private const byte Format = 1;
    private readonly Quota[] _quotas;

    private GrantTerms(ContextConstraint constraint, Quota[] quotas)
    {
        Constraint = constraint;
        _quotas = quotas;
    }

    /// <summary>Nothing is demanded and nothing counted.</summary>
    public static GrantTerms None { get; } = new(ContextConstraint.Empty, []);

    /// <summary>What the context must hold.</summary>
    public ContextConstraint Constraint { get; }

    /// <summary>Ascending by measure and window, none of both twice.</summary>
    public IReadOnlyList<Quota> Quotas => _quotas;

    /// <summary>True when a context says it all: exact rules, no quota. Such terms are kept as that context and have no encoding of their own.</summary>
    public bool IsPlain => _quotas.Length == 0 && Constraint.IsExact;

    /// <summary>Every pair of a context, exactly, and no quota.</summary>
    public static implicit operator GrantTerms(EncryptionContext context) => FromContext(context);

    /// <summary>Every pair of a context, exactly, and no quota.</summary>
    public static GrantTerms FromContext(EncryptionContext context) => Create(ContextConstraint.FromContext(context), []);

    /// <summary>Makes terms.</summary>
    /// <exception cref="InvalidContextException">A quota is none or stands twice, or the whole is too large.</exception>
    public static GrantTerms Create(ContextConstraint constraint, IEnumerable<Quota> quotas)
    {
        ArgumentNullException.ThrowIfNull(constraint);
        Quota[] sorted = [.. quotas.OrderBy(quota => quota.Measure).ThenBy(quota => quota.Window)];
        for (int i = 0; i < sorted.Length; i++)
        {
            if (!sorted[i].IsValid)
            {
                throw new InvalidContextException("A quota counts calls, items or bytes, in an hour or a day, up to a limit of 1 to 2^53 - 1.");
            }
            if (i > 0 && sorted[i - 1].Measure == sorted[i].Measure && sorted[i - 1].Window == sorted[i].Window)
            {
                throw new InvalidContextException("A grant has one quota for each measure and window.");
            }
        }
        var terms = new GrantTerms(constraint, sorted);
        return terms.Length > MaxEncodedLength ? throw new InvalidContextException("A grant's constraint has at most 8192 bytes encoded.") : terms;
    }

    /// <summary>The canonical bytes.</summary>
    /// <exception cref="InvalidOperationException">The terms are plain.</exception>
    public byte[] Encode()
    {
        if (IsPlain)
        {
            throw new InvalidOperationException("Plain terms are kept as a context.");
        }
        var encoded = new byte[Length];
        var rest = encoded.AsSpan();
        WriteByte(ref rest, Format);
        WriteByte(ref rest, (byte)Constraint.Rules.Count);
        foreach (ContextRule rule in Constraint.Rules)
        {
            WriteText(ref rest, rule.Key);
            WriteByte(ref rest, (byte)rule.Kind);
            WriteUInt16(ref rest, rule.Values.Count);
            foreach (string value in rule.Values)
            {
                WriteText(ref rest, value);
            }
        }
        WriteByte(ref rest, (byte)_quotas.Length);
        foreach (Quota quota in _quotas)
        {
            WriteByte(ref rest, (byte)quota.Measure);
            WriteByte(ref rest, (byte)quota.Window);
            BinaryPrimitives.WriteInt64BigEndian(rest, quota.Limit);
            rest = rest[8..];
        }
        return encoded;
    }

    /// <summary>Accepts canonical bytes only: whatever parses is <see cref="Encode"/> byte for byte.</summary>
    public static bool TryParse(ReadOnlySpan<byte> encoded, out GrantTerms terms)
    {
        terms = None;
        if (encoded.Length > MaxEncodedLength || Read(encoded) is not { IsPlain: false } read || !read.Encode().AsSpan().SequenceEqual(encoded))
        {
            return false;
        }
        terms = read;
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(GrantTerms? other) => other is not null && Constraint.Equals(other.Constraint) && _quotas.AsSpan().SequenceEqual(other._quotas);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GrantTerms);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Constraint, _quotas.Length);

    private int Length => 3 + (_quotas.Length * 10)
        + Constraint.Rules.Sum(rule => 5 + Encoding.UTF8.GetByteCount(rule.Key) + rule.Values.Sum(value => 2 + Encoding.UTF8.GetByteCount(value)));

    private static GrantTerms? Read(ReadOnlySpan<byte> rest)
    {
        if (!TryByte(ref rest, out byte format) || format != Format || !TryByte(ref rest, out byte ruleCount) || ruleCount > ContextConstraint.MaxRules)
        {
            return null;
        }
        try
        {
            var rules = new ContextRule[ruleCount];
            for (int i = 0; i < rules.Length; i++)
            {
                if (ReadRule(ref rest) is not { } rule)
                {
                    return null;
                }
                rules[i] = rule;
            }
            return ReadQuotas(ref rest) is { } quotas && rest.IsEmpty ? Create(ContextConstraint.Create(rules), quotas) : null;
        }
        catch (InvalidContextException)
        {
            return null;
        }
    }

    private static ContextRule? ReadRule(ref ReadOnlySpan<byte> rest)
    {
        if (!TryText(ref rest, out string key) || !TryByte(ref rest, out byte kind) || !TryUInt16(ref rest, out int count) || count is 0 or > ContextRule.MaxValues)
        {
            return null;
        }
        var values = new string[count];
        for (int i = 0; i < values.Length; i++)
        {
            if (!TryText(ref rest, out values[i]))
            {
                return null;
            }
        }
        return (ContextRuleKind)kind switch
        {
            ContextRuleKind.Exact when count == 1 => ContextRule.Exact(key, values[0]),
            ContextRuleKind.Prefix when count == 1 => ContextRule.Prefix(key, values[0]),
            ContextRuleKind.OneOf when count > 1 => ContextRule.OneOf(key, values),
            _ => null,
        };
    }

    private static Quota[]? ReadQuotas(ref ReadOnlySpan<byte> rest)
    {
        if (!TryByte(ref rest, out byte count) || count > Quota.MaxCount || rest.Length != count * 10)
        {
            return null;
        }
        var quotas = new Quota[count];
        for (int i = 0; i < quotas.Length; i++)
        {
            quotas[i] = new Quota((QuotaMeasure)rest[0], (QuotaWindow)rest[1], BinaryPrimitives.ReadInt64BigEndian(rest[2..]));
            rest = rest[10..];
        }
        return quotas;
    }

    private static bool TryByte(ref ReadOnlySpan<byte> rest, out byte value)
    {
        value = rest.IsEmpty ? (byte)0 : rest[0];
        bool there = !rest.IsEmpty;
        rest = there ? rest[1..] : rest;
        return there;
    }

    private static bool TryUInt16(ref ReadOnlySpan<byte> rest, out int value)
    {
        bool there = BinaryPrimitives.TryReadUInt16BigEndian(rest, out ushort read);
        value = read;
        rest = there ? rest[2..] : rest;
        return there;
    }

    private static bool TryText(ref ReadOnlySpan<byte> rest, out string text)
    {
        text = "";
        if (!TryUInt16(ref rest, out int length) || rest.Length < length || !ContextText.IsAllowed(rest[..length]))
        {
            return false;
        }
        text = Encoding.UTF8.GetString(rest[..length]);
        rest = rest[length..];
        return true;
    }

    private static void WriteByte(ref Span<byte> rest, byte value)
    {
        rest[0] = value;
        rest = rest[1..];
    }

    private static void WriteUInt16(ref Span<byte> rest, int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)value);
        rest = rest[2..];
    }

    private static void WriteText(ref Span<byte> rest, string text)
    {
        int length = Encoding.UTF8.GetBytes(text, rest[2..]);
        WriteUInt16(ref rest, length);
        rest = rest[length..];
    }
}
