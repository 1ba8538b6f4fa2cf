using System.Buffers.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Grants;

/// <summary>docs/spec/grant-terms.md.</summary>
public sealed class GrantTermsTests
{
    private const string File = "grant-terms.json";
    private static readonly Gen<string> Keys = Gen.Elements("tenant", "table", "a", "ab", "Zürich", "\U0001F511", "\uFF01");
    private static readonly Gen<string> Values = Gen.Elements("", "north", "south", "st-mary/icu", "st-mary/", "st-maryland", "x:y", "ä|", "\U0001F511", "\uFF01");
    private static readonly Gen<string> Prefixes = Gen.Elements("st-mary/", "x:", "ä|", "/", "a.b.", "#");

    private static readonly Gen<ContextRule> Rules = Keys.SelectMany(key => Gen.OneOf(
        Values.Select(value => ContextRule.Exact(key, value)),
        Prefixes.Select(prefix => ContextRule.Prefix(key, prefix)),
        Values.NonEmptyListOf().Select(values => ContextRule.OneOf(key, values.Distinct()))));

    private static readonly Gen<Quota> Quotas = Gen.Elements(QuotaMeasure.Calls, QuotaMeasure.Items, QuotaMeasure.Bytes)
        .Zip(Gen.Elements(QuotaWindow.Hour, QuotaWindow.Day)).Zip(Gen.Choose(1, 1_000_000)).Select(each => new Quota(each.Item1.Item1, each.Item1.Item2, each.Item2));

    private static readonly Gen<GrantTerms> Terms = Rules.ListOf().Zip(Quotas.ListOf()).Select(each => GrantTerms.Create(
        ContextConstraint.Create(each.Item1.DistinctBy(rule => rule.Key)), each.Item2.DistinctBy(quota => (quota.Measure, quota.Window))));

    private static readonly Gen<EncryptionContext> Contexts = Keys.Zip(Values).ListOf()
        .Select(pairs => EncryptionContext.Create(pairs.DistinctBy(pair => pair.Item1).Select(pair => KeyValuePair.Create(pair.Item1, pair.Item2))));

    [Fact]
    public void Every_positive_vector_encodes_to_its_bytes_in_any_order_and_parses_back()
    {
        foreach (JsonObject vector in Vectors.List(File, "positive"))
        {
            ContextRule[] rules = [.. vector["rules"]!.AsArray().Select(RuleOf)];
            Quota[] quotas = [.. vector["quotas"]!.AsArray().Select(quota =>
                new Quota((QuotaMeasure)quota![0]!.GetValue<int>(), (QuotaWindow)quota[1]!.GetValue<int>(), quota[2]!.GetValue<long>()))];
            byte[] encoded = vector.Bytes("encoded");
            Assert.Equal(encoded, GrantTerms.Create(ContextConstraint.Create(rules), quotas).Encode());
            Assert.Equal(encoded, GrantTerms.Create(ContextConstraint.Create(rules.Reverse()), quotas.Reverse()).Encode());
            Assert.True(GrantTerms.TryParse(encoded, out GrantTerms parsed), vector.Text("name"));
            Assert.Equal(encoded, parsed.Encode());
            Assert.Equal(vector.Text("text"), Base64Url.EncodeToString(encoded));
        }
    }

    [Fact]
    public void Bytes_that_break_a_rule_do_not_parse()
    {
        foreach (JsonObject vector in Vectors.List(File, "negative"))
        {
            Assert.False(GrantTerms.TryParse(vector.Bytes("encoded"), out GrantTerms terms), vector.Text("name"));
            Assert.Same(GrantTerms.None, terms);
        }
    }

    [Fact]
    public void A_constraint_is_met_by_just_the_contexts_that_the_vectors_say()
    {
        foreach (JsonObject vector in Vectors.List(File, "met"))
        {
            Assert.True(GrantTerms.TryParse(vector.Bytes("encoded"), out GrantTerms terms), vector.Text("name"));
            EncryptionContext context = vector.Context();
            Assert.True(vector["met"]!.GetValue<bool>() == terms.Constraint.IsMetBy(context), vector.Text("name"));
            Assert.Equal(terms.Constraint.IsMetBy(context), terms.Constraint.FirstUnmet(context) is null);
        }
    }

    [Fact]
    public void The_example_of_the_specification_has_the_bytes_of_its_vector()
    {
        string document = System.IO.File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "spec", "grant-terms.md"));
        JsonObject vector = Vectors.List(File, "positive").Single(candidate => candidate.Text("name") == "example");
        string bytes = string.Concat(document.Split("```").Where((_, index) => index % 2 == 1).SelectMany(block => block.Split('\n'))
            .SelectMany(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).TakeWhile(word => word.Length % 2 == 0 && word.All(char.IsAsciiHexDigitLower))));
        Assert.Equal(vector.Text("encoded"), bytes);
        Assert.Contains(vector.Text("text"), document, StringComparison.Ordinal);
    }

    [Fact]
    public void Terms_come_back_as_they_were_and_plain_ones_have_no_bytes() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Terms.ToArbitrary(), terms =>
        {
            if (terms.IsPlain)
            {
                Assert.Throws<InvalidOperationException>(terms.Encode);
                Assert.Equal(terms.Constraint, ContextConstraint.FromContext(terms.Constraint.ExactPairs()));
                return;
            }

            Assert.True(GrantTerms.TryParse(terms.Encode(), out var parsed));
            Assert.Equal(terms, parsed);
            Assert.Equal(terms.GetHashCode(), parsed.GetHashCode());
        }));

    [Fact]
    public void No_byte_of_an_encoding_can_be_changed_without_changing_what_it_says() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Terms.Where(terms => !terms.IsPlain).ToArbitrary(), Gen.Choose(0, 1 << 20).ToArbitrary(), (terms, draw) =>
        {
            var bytes = terms.Encode();
            bytes[draw % bytes.Length] ^= (byte)(1 + (draw % 255));
            Assert.False(GrantTerms.TryParse(bytes, out var parsed) && parsed.Equals(terms));
        }));

    [Fact]
    public void Pairs_added_to_a_context_never_make_it_meet_less() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Terms.ToArbitrary(), Contexts.ToArbitrary(), Contexts.ToArbitrary(), (terms, context, more) =>
        {
            var added = EncryptionContext.Create(context.Pairs.Concat(more.Pairs.Where(pair => context[pair.Key] is null)));
            Assert.True(!terms.Constraint.IsMetBy(context) || terms.Constraint.IsMetBy(added));
        }));

    [Fact]
    public void A_rule_refuses_a_context_that_lacks_its_key() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Rules.ToArbitrary(), Contexts.ToArbitrary(), (rule, context) =>
        {
            var without = EncryptionContext.Create(context.Pairs.Where(pair => pair.Key != rule.Key));
            Assert.False(ContextConstraint.Create([rule]).IsMetBy(without));
            Assert.False(ContextConstraint.Create([rule]).IsMetBy(null));
        }));

    [Fact]
    public void A_constraint_refuses_two_rules_for_a_key_and_more_than_sixteen()
    {
        Assert.Throws<InvalidContextException>(() => ContextConstraint.Create([ContextRule.Exact("a", "1"), ContextRule.Prefix("a", "1/")]));
        Assert.Throws<InvalidContextException>(() => ContextConstraint.Create(Enumerable.Range(0, 17).Select(i => ContextRule.Exact($"k{i}", ""))));
        Assert.Throws<InvalidContextException>(() => ContextRule.OneOf("a", []));
        Assert.Throws<InvalidContextException>(() => ContextRule.OneOf("a", ["1", "1"]));
        Assert.Throws<InvalidContextException>(() => ContextRule.OneOf("a", ["\uD800", "1"]));
        Assert.Equal(ContextRuleKind.Exact, ContextRule.OneOf("a", ["1"]).Kind);
    }

    [Theory]
    [InlineData("calls/hour=1")]
    [InlineData("items/day=10000")]
    [InlineData("bytes/day=9007199254740991")]
    public void A_quota_is_read_as_it_is_written(string text)
    {
        Assert.True(Quota.TryParse(text, out var quota));
        Assert.Equal(text, quota.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("calls/hour")]
    [InlineData("calls=hour/5")]
    [InlineData("calls/hour=0")]
    [InlineData("calls/hour=01")]
    [InlineData("calls/hour=-1")]
    [InlineData("calls/hour=1 ")]
    [InlineData("calls/week=5")]
    [InlineData("calls/hour=9007199254740992")]
    [InlineData("calls/hour=5/5")]
    public void Anything_else_is_no_quota(string? text) => Assert.False(Quota.TryParse(text, out _));

    [Fact]
    public void Windows_are_hours_and_days_of_UTC_whatever_the_offset()
    {
        var time = new DateTimeOffset(2026, 3, 29, 1, 59, 59, TimeSpan.FromHours(2));
        var hourly = new Quota(QuotaMeasure.Calls, QuotaWindow.Hour, 1);
        var daily = hourly with { Window = QuotaWindow.Day };
        Assert.Equal(new DateTimeOffset(2026, 3, 28, 23, 0, 0, TimeSpan.Zero), hourly.WindowStart(time));
        Assert.Equal(new DateTimeOffset(2026, 3, 29, 0, 0, 0, TimeSpan.Zero), hourly.WindowEnd(time));
        Assert.Equal(new DateTimeOffset(2026, 3, 28, 0, 0, 0, TimeSpan.Zero), daily.WindowStart(time));
        Assert.Equal(hourly.WindowEnd(time), daily.WindowEnd(time));
    }

    private static ContextRule RuleOf(JsonNode? rule)
    {
        var key = rule!["key"]!.GetValue<string>();
        string[] values = [.. rule["values"]!.AsArray().Select(value => value!.GetValue<string>())];
        return (ContextRuleKind)rule["kind"]!.GetValue<int>() switch
        {
            ContextRuleKind.Exact => ContextRule.Exact(key, values[0]),
            ContextRuleKind.Prefix => ContextRule.Prefix(key, values[0]),
            _ => ContextRule.OneOf(key, values),
        };
    }
}
