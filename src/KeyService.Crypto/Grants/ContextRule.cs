using System.Text;

namespace KeyService.Crypto;

/// <summary>How a rule looks at a context's value. The numbers are frozen: docs/spec/grant-terms.md.</summary>
public enum ContextRuleKind : byte
{
    /// <summary>The value, byte for byte.</summary>
    Exact = 1,

    /// <summary>A value that begins with this and goes on; it ends at a delimiter, so "st-mary/" takes "st-mary/icu" and never "st-maryland".</summary>
    Prefix = 2,

    /// <summary>One of several values, byte for byte.</summary>
    OneOf = 3,
}

/// <summary>What a grant demands of one key of the context. A context without the key does not meet it. docs/spec/grant-terms.md.</summary>
public sealed class ContextRule : IEquatable<ContextRule>
{
    /// <summary>Values of a set at most.</summary>
    public const int MaxValues = 64;

    /// <summary>A prefix ends with one of these.</summary>
    public const string Delimiters = "/:.|#";

    private readonly string[] _values;

    private ContextRule(string key, ContextRuleKind kind, string[] values)
    {
        Key = key;
        Kind = kind;
        _values = values;
    }

    /// <summary>The context's key, 1 to 255 bytes of UTF-8.</summary>
    public string Key { get; }

    /// <summary>How the values are compared.</summary>
    public ContextRuleKind Kind { get; }

    /// <summary>One value, or for <see cref="ContextRuleKind.OneOf"/> 2 to 64, ascending by their bytes, none twice.</summary>
    public IReadOnlyList<string> Values => _values;

    /// <summary>The key has just this value.</summary>
    /// <exception cref="InvalidContextException">A rule of docs/spec/context.md is broken.</exception>
    public static ContextRule Exact(string key, string value) => Checked(key, ContextRuleKind.Exact, [value]);

    /// <summary>The key's value begins with this and is longer.</summary>
    /// <exception cref="InvalidContextException">The prefix does not end at a delimiter, or a rule of docs/spec/context.md is broken.</exception>
    public static ContextRule Prefix(string key, string prefix) => Checked(key, ContextRuleKind.Prefix, [prefix]);

    /// <summary>The key's value is one of these; a set of one is <see cref="Exact"/>.</summary>
    /// <exception cref="InvalidContextException">No value, more than 64, one twice, or a rule of docs/spec/context.md is broken.</exception>
    public static ContextRule OneOf(string key, IEnumerable<string> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        string[] sorted = [.. values];
        if (sorted.Length is 0 or > MaxValues)
        {
            throw new InvalidContextException("A set of values has 1 to 64 values.");
        }
        if (sorted.Length == 1)
        {
            return Exact(key, sorted[0]);
        }
        // Checked first: a lone surrogate has no bytes to be ordered by.
        var rule = Checked(key, ContextRuleKind.OneOf, sorted);
        Array.Sort(rule._values, CompareBytes);
        for (int i = 1; i < rule._values.Length; i++)
        {
            if (string.Equals(rule._values[i - 1], rule._values[i], StringComparison.Ordinal))
            {
                throw new InvalidContextException("A set of values has no value twice.");
            }
        }
        return rule;
    }

    /// <summary>Whether a value satisfies the rule; null, the absent key, never does.</summary>
    public bool IsMetBy(string? value) => value is not null && (Kind == ContextRuleKind.Prefix
        ? value.Length > _values[0].Length && value.StartsWith(_values[0], StringComparison.Ordinal)
        : Array.IndexOf(_values, value) >= 0);

    /// <inheritdoc/>
    public bool Equals(ContextRule? other) =>
        other is not null && Kind == other.Kind && string.Equals(Key, other.Key, StringComparison.Ordinal) && _values.AsSpan().SequenceEqual(other._values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ContextRule);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Key, Kind, _values[0], _values.Length);

    /// <summary>For people: <c>tenant=st-mary</c>, <c>table=ehr/*</c>, <c>tenant in (a, b)</c>.</summary>
    public override string ToString() => Kind switch
    {
        ContextRuleKind.Exact => $"{Key}={_values[0]}",
        ContextRuleKind.Prefix => $"{Key}={_values[0]}*",
        _ => $"{Key} in ({string.Join(", ", _values)})",
    };

    internal static int CompareBytes(string left, string right) =>
        Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right));

    private static ContextRule Checked(string key, ContextRuleKind kind, string[] values)
    {
        foreach (string value in values)
        {
            // The one place that knows what a key and a value may be.
            _ = EncryptionContext.Create(key, value);
        }
        if (kind == ContextRuleKind.Prefix && (values[0].Length == 0 || !Delimiters.Contains(values[0][^1], StringComparison.Ordinal)))
        {
            throw new InvalidContextException("A prefix ends with one of / : . | #, so that it covers whole names only.");
        }
        return new ContextRule(key, kind, values);
    }
}
