namespace KeyService.Crypto;

/// <summary>
/// What a grant demands of a call's context: a rule for each of some keys, all of which must be met; keys that no rule names are free.
/// Adding pairs to a context never makes it meet less. docs/spec/grant-terms.md.
/// </summary>
public sealed class ContextConstraint : IEquatable<ContextConstraint>
{
    /// <summary>Rules at most, as a context has pairs.</summary>
    public const int MaxRules = EncryptionContext.MaxPairs;

    private readonly ContextRule[] _rules;

    private ContextConstraint(ContextRule[] rules) => _rules = rules;

    /// <summary>Every context meets it, and no context too.</summary>
    public static ContextConstraint Empty { get; } = new([]);

    /// <summary>Ascending by the bytes of their keys, no key twice.</summary>
    public IReadOnlyList<ContextRule> Rules => _rules;

    /// <summary>True when every rule demands one exact value: then it can be said as an <see cref="EncryptionContext"/>.</summary>
    public bool IsExact => Array.TrueForAll(_rules, rule => rule.Kind == ContextRuleKind.Exact);

    /// <summary>Every pair of a context, exactly.</summary>
    public static implicit operator ContextConstraint(EncryptionContext context) => FromContext(context);

    /// <summary>Every pair of a context, exactly.</summary>
    public static ContextConstraint FromContext(EncryptionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Pairs.Count == 0 ? Empty : Create(context.Pairs.Select(pair => ContextRule.Exact(pair.Key, pair.Value)));
    }

    /// <summary>Makes a constraint of rules in any order.</summary>
    /// <exception cref="InvalidContextException">More than 16 rules, or two for one key.</exception>
    public static ContextConstraint Create(IEnumerable<ContextRule> rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ContextRule[] sorted = [.. rules];
        if (sorted.Length > MaxRules)
        {
            throw new InvalidContextException("A constraint has at most 16 rules.");
        }
        Array.Sort(sorted, (left, right) => ContextRule.CompareBytes(left.Key, right.Key));
        for (int i = 1; i < sorted.Length; i++)
        {
            if (string.Equals(sorted[i - 1].Key, sorted[i].Key, StringComparison.Ordinal))
            {
                throw new InvalidContextException("A constraint has one rule for each key.");
            }
        }
        return sorted.Length == 0 ? Empty : new ContextConstraint(sorted);
    }

    /// <summary>Whether a context meets every rule; null is the empty context.</summary>
    public bool IsMetBy(EncryptionContext? context) => FirstUnmet(context) is null;

    /// <summary>The first rule that a context does not meet, or null: for whoever asks why.</summary>
    public ContextRule? FirstUnmet(EncryptionContext? context)
    {
        foreach (ContextRule rule in _rules)
        {
            if (!rule.IsMetBy(context?[rule.Key]))
            {
                return rule;
            }
        }
        return null;
    }

    /// <summary>The exact rules as pairs.</summary>
    public EncryptionContext ExactPairs() =>
        EncryptionContext.Create(_rules.Where(rule => rule.Kind == ContextRuleKind.Exact).Select(rule => KeyValuePair.Create(rule.Key, rule.Values[0])));

    /// <inheritdoc/>
    public bool Equals(ContextConstraint? other) => other is not null && _rules.AsSpan().SequenceEqual(other._rules);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ContextConstraint);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (ContextRule rule in _rules)
        {
            hash.Add(rule);
        }
        return hash.ToHashCode();
    }

    /// <summary>For people, for example <c>table=ehr/*, tenant=st-mary</c>.</summary>
    public override string ToString() => string.Join(", ", _rules.AsEnumerable());
}
