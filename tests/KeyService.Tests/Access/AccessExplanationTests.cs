using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using KeyService.Crypto;
using KeyService.Server.Access;

namespace KeyService.Tests.Access;

/// <summary>What the matrix lists and an explanation says is what a call would hear.</summary>
public sealed class AccessExplanationTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] People = ["ada", "bob"];
    private static readonly string[] Keys = ["ehr", "ehr/labs", "billing"];

    private static readonly Gen<ContextConstraint> Constraints = Gen.Elements(
        ContextConstraint.Empty, EncryptionContext.Create("tenant", "north"), ContextConstraint.Create([ContextRule.Prefix("table", "ehr/")]),
        ContextConstraint.Create([ContextRule.OneOf("tenant", ["north", "south"]), ContextRule.Prefix("table", "ehr/")]));

    private static readonly Gen<EncryptionContext> Contexts = Gen.Elements(
        EncryptionContext.Empty, EncryptionContext.Create("tenant", "north"), EncryptionContext.Create("tenant", "south"),
        EncryptionContext.Create([new("tenant", "south"), new("table", "ehr/labs")]), EncryptionContext.Create("table", "ehr/"));

    private static readonly Gen<Permission> SomePermission = Gen.Elements(Enum.GetValues<Permission>().Where(each => each != Permission.None).ToArray());

    private static readonly Gen<Grant> Grants =
        from principal in Gen.Elements(People)
        from permissions in SomePermission.ListOf(2)
        from role in Gen.Elements([null, .. Role.All])
        from pattern in Gen.Elements("*", "ehr/*", "ehr", "billing")
        from constraint in Constraints
        from revoked in Gen.Frequency((5, Gen.Constant(false)), (1, Gen.Constant(true)))
        from expires in Gen.Elements<int?>(null, null, -1, 0, 1)
        select new Grant
        {
            Id = 0, Principal = principal, Permissions = [.. permissions.Distinct().Order()], Roles = role is null ? [] : [role], KeyPattern = Pattern(pattern),
            ContextConstraint = constraint, ExpireTime = expires is { } hours ? Now.AddHours(hours) : null, CreateTime = Now.AddDays(-1), Revoked = revoked, Revision = 1,
        };

    private static readonly Gen<AccessSnapshot> Snapshots =
        from grants in Grants.ListOf()
        from disabled in Gen.Frequency((4, Gen.Constant(false)), (1, Gen.Constant(true)))
        select AccessSnapshot.Of(
            [Principal("ada", 1, false), Principal("bob", 2, disabled)], [.. grants.Take(6).Select((grant, index) => grant with { Id = (ulong)index + 1 })]);

    [Fact]
    public void An_explanation_says_what_a_call_would_hear_and_never_less_than_all_that_is_missing() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(
            Snapshots.ToArbitrary(),
            (from who in Gen.Elements("ada", "bob", "nobody") from permission in SomePermission from key in Gen.Elements([null, .. Keys]) from context in Contexts select (who, permission, key, context)).ToArbitrary(),
            Gen.Elements(SeparationLevel.Standard, SeparationLevel.Strict).ToArbitrary(),
            (snapshot, asked, level) =>
            {
                var decision = snapshot.Decide(asked.who, asked.permission, asked.key, asked.context, Now, level);
                var explanation = AccessExplanation.Of(snapshot, asked.who, asked.permission, asked.key, asked.context, Now, level);
                Assert.Equal(decision.IsAllowed, explanation.IsAllowed);
                Assert.Equal(decision.Grant?.Id, explanation.Grant?.Id);
                Assert.NotEmpty(explanation.Reason);
                // A grant that lacks nothing is refused by a pair, and only so.
                Assert.Equal(decision.ForbiddenPair is not null, explanation.Near.Any(near => near.Lacks.Count == 0));
                Assert.Equal(explanation.Near.OrderBy(near => near.Lacks.Count).ThenBy(near => near.Grant.Id).Select(near => near.Grant.Id), explanation.Near.Select(near => near.Grant.Id));
            }));

    [Fact]
    public void The_matrix_lists_a_permission_on_a_key_just_when_some_context_gets_it() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(
            Snapshots.ToArbitrary(), SomePermission.ToArbitrary(), Gen.Elements(Keys).ToArbitrary(), (snapshot, permission, key) =>
            {
                // Meets every constraint that is generated above.
                var context = EncryptionContext.Create([new("tenant", "north"), new("table", "ehr/labs")]);
                var matrix = new AccessMatrix(snapshot, Now, SeparationLevel.Standard);
                var rows = matrix.Grants("").SelectMany(matrix.RowsOf).ToList();
                foreach (var who in People)
                {
                    Assert.Equal(
                        snapshot.Decide(who, permission, key, context, Now, SeparationLevel.Standard).IsAllowed,
                        rows.Any(row => row.Principal.Name == who && row.Permission == permission && row.Grant.KeyPattern.Covers(key) && row.RefusedPair is null));
                }

                Assert.Equal(matrix.Grants("").Select(AccessMatrix.PlaceOf).Order(StringComparer.Ordinal), matrix.Grants("").Select(AccessMatrix.PlaceOf));
            }));

    [Fact]
    public void Each_thing_that_is_missing_is_named()
    {
        var grant = new Grant
        {
            Id = 0xab, Principal = "ada", Permissions = [Permission.Encrypt], KeyPattern = Pattern("ehr/*"),
            ContextConstraint = ContextConstraint.Create([ContextRule.Prefix("table", "ehr/"), ContextRule.OneOf("tenant", ["north", "south"])]),
            ExpireTime = Now, CreateTime = Now.AddDays(-1), Revoked = true, Revision = 2,
        };
        var snapshot = AccessSnapshot.Of([Principal("ada", 1, false)], [grant]);
        var explanation = AccessExplanation.Of(snapshot, "ada", Permission.Decrypt, "billing", EncryptionContext.Create("tenant", "east"), Now, SeparationLevel.Standard);
        Assert.Equal("No grant covers it.", explanation.Reason);
        Assert.Equal(
            [
                "it was revoked", "it expired at 2026-03-01T12:00:00Z", "it does not give decrypt", "its key pattern ehr/* does not cover billing",
                "it wants the context table=ehr/*, and the context has no table", "it wants the context tenant in (north, south), and tenant is east",
            ],
            Assert.Single(explanation.Near).Lacks);
        Assert.Equal("'eve' is no registered principal.", AccessExplanation.Of(snapshot, "eve", Permission.Decrypt, null, EncryptionContext.Empty, Now, SeparationLevel.Standard).Reason);
    }

    private static Principal Principal(string name, uint uid, bool disabled) => new()
    {
        Name = name, Type = PrincipalType.Person, Credential = Credential.OfUid(uid), Disabled = disabled, CreateTime = Now.AddDays(-2), Revision = disabled ? 2 : 1,
    };

    private static KeyPattern Pattern(string text) => KeyPattern.TryParse(text, out var pattern) ? pattern : throw new ArgumentException(text);
}
