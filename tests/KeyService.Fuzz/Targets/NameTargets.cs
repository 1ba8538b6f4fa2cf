using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;
using KeyService.Fuzz.Engine;
using KeyService.Server.Access;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Keys;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>The server's small grammars: key names and patterns, places in lists, page tokens, permissions, credentials.</summary>
internal static class NameTargets
{
    private static readonly byte[] MacKey = new byte[32];
    private static readonly PageTokens Tokens = new(new RowAuthenticator((row, _) => ValueTask.FromResult(HMACSHA256.HashData(MacKey, row.Span))));

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("key-name", [typeof(KeyName)], Name)
        {
            MaxLength = 200, Words = ["/"u8.ToArray(), "//"u8.ToArray(), "."u8.ToArray(), "-"u8.ToArray(), "A"u8.ToArray(), "_"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("ehr", "ehr/one", "a.b_c-d/0", new string('k', 128), new string('k', 129), "", "/ehr", "ehr/", "ehr//one", "EHR", "ehr/-x", "ä"),
        },
        new("key-pattern", [typeof(KeyPattern)], Pattern)
        {
            MaxLength = 200, Words = ["*"u8.ToArray(), "/*"u8.ToArray(), "/"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("*", "ehr/*", "ehr/one", "ehr*", "/*", "*/*", "ehr/**", "", new string('k', 126) + "/*"),
        },
        new("key-version-place", [typeof(KeyVersionPlace)], Place)
        {
            MaxLength = 100, Words = ["."u8.ToArray(), "-"u8.ToArray(), "+"u8.ToArray(), " "u8.ToArray(), "0"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("0.0", "1795310000000000000.-42", "9223372036854775807.9223372036854775807", "1", "1.2.3", " 1.2", "+1.2", "01.2", "-0.0"),
        },
        new("page-token", [typeof(PageTokens)], PageToken)
        {
            MaxLength = 2048, Words = ["="u8.ToArray(), " "u8.ToArray(), "\n"u8.ToArray(), "AAAA"u8.ToArray(), "+"u8.ToArray(), "/"u8.ToArray()], Seeds = PageTokenSeeds,
        },
        new("grant-text", [typeof(GrantText)], Granted)
        {
            MaxLength = 512, Words = ["if:"u8.ToArray(), "terms:"u8.ToArray(), "role:"u8.ToArray(), ","u8.ToArray(), "encrypt"u8.ToArray(), "auditor"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("encrypt", "encrypt,decrypt", "role:auditor", "read-key,role:auditor,role:data-user", "if:decrypt,terms:AQABAgIAAAAAAAAnEA", "read-key,divine-keys", "read-key,divine-keys,encrypt", "terms:", ""),
        },
        new("permission", [typeof(Permissions)], PermissionName) { MaxLength = 64, Seeds = () => VectorSeeds.Texts([.. Enum.GetNames<Permission>().Select(KebabName.Of), "", "Encrypt"]) },
        new("credential", [typeof(Credential)], OneCredential)
        {
            MaxLength = 700, Words = ["spiffe://"u8.ToArray(), "://"u8.ToArray(), "%"u8.ToArray(), "["u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("spiffe://hospital/ehr", "urn:uuid:1", new string('a', 64), new string('A', 64), new string('g', 64), "https://x/ y", "file:///", "", "https://[::1"),
        },
        new("one-time-code", [typeof(OneTimePassword)], OneTimeCode)
        {
            MaxLength = 16, Words = ["0"u8.ToArray(), "9"u8.ToArray(), " "u8.ToArray(), "-"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("000000", "999999", "012345", "12345", "1234567", "12345a", "-12345", "", " 12345"),
        },
        new("audit-month", [typeof(AuditMonth)], Month)
        {
            MaxLength = 16, Words = ["20"u8.ToArray(), "-"u8.ToArray(), "12"u8.ToArray(), "00"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("2026-11", "1970-01", "9998-12", "9999-01", "2026-13", "2026-1", "", " 2026-1", "2026/11"),
        },
        new("evidence-manifest", [typeof(EvidenceManifest)], Evidence)
        {
            MaxLength = 1024, Words = ["\nfile "u8.ToArray(), "installation "u8.ToArray(), "2026-10-01T00:00:00Z"u8.ToArray(), " 0 "u8.ToArray(), "/"u8.ToArray(), "\n"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                $"{EvidenceManifest.Label}\ninstallation {new string('0', 32)}\nfrom 2026-10-01T00:00:00Z\nuntil 2026-11-01T00:00:00Z\nmade 2026-11-29T07:50:00Z\nfile {new string('a', 64)} 3 a/b.csv\n",
                $"{EvidenceManifest.Label}\n", ""),
        },
        new("evidence-reach", [typeof(LogReach)], Reach)
        {
            MaxLength = 512, Words = ["\n"u8.ToArray(), ","u8.ToArray(), "256"u8.ToArray(), "0"u8.ToArray(), "4294967295"u8.ToArray(), "slot,start,size\n"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("slot,start,size\n", "slot,start,size\n0,0,1\n7,512,1837\n", "slot,start,size\n1,0,1\n0,0,1\n", "slot,start,size\n0,1,2\n", "slot,start,size\n0,256,255\n", "slot,start,size\n00,0,1\n", ""),
        },
        new("access-review-result", [typeof(AccessReviewResult)], ReviewResult)
        {
            MaxLength = 4096,
            Words = ["-"u8.ToArray(), " keep "u8.ToArray(), " suspend "u8.ToArray(), "principals 1"u8.ToArray(), "/access-reviews"u8.ToArray(), "\n"u8.ToArray(), "2026-12-13T15:00:00Z"u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("access-review", "note", "results").Concat(VectorSeeds.Hex("access-review", "text", "notResults")),
        },
    ];

    private static Outcome ReviewResult(byte[] input)
    {
        // The bytes of a note, or, which is found sooner, of its text alone.
        if (!AccessReviewResult.TryRead(input, out SignedNote? note, out AccessReviewResult? result))
        {
            Unless(result is null, "what is refused gives nothing");
            string text = Encoding.UTF8.GetString(input);
            if (!AccessReviewResult.TryParse(text, out result))
            {
                Unless(result is null, "what is refused gives nothing");
                return Outcome.Refused(Outcome.Step(text.Count('\n')));
            }
            Unless(result!.ToString() == text, "what parses is written again");
            return Outcome.Taken(Outcome.Step(result.Entries.Count));
        }
        Unless(result!.ToString() == note!.Text, "what parses is written again");
        UnlessSame(input, note.ToArray(), "what parses is written again");
        Unless(result.Entries.All(entry => entry.Manager != result.StartedBy && entry.Manager != entry.Principal), "nobody attests himself, nor who started it");
        return Outcome.Taken(0x100 + Outcome.Step(result.Entries.Count));
    }

    private static Outcome Evidence(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!EvidenceManifest.TryParse(text, out EvidenceManifest? manifest))
        {
            Unless(manifest is null, "what is refused gives nothing");
            return Outcome.Refused(Outcome.Step(text.Count('\n')));
        }
        Unless(manifest!.ToString() == text, "what parses is written again");
        return Outcome.Taken(Outcome.Step(manifest.Files.Count));
    }

    private static Outcome Reach(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!LogReach.TryParse(text, out LogReach? reach))
        {
            Unless(reach is null, "what is refused gives nothing");
            return Outcome.Refused(Outcome.Step(text.Count('\n')));
        }
        Unless(reach!.ToString() == text, "what parses is written again");
        Unless(reach.Slots.All(slot => slot.Start % 256 == 0 && slot.Start <= slot.Size && slot.Size > 0), "a log begins before its end");
        return Outcome.Taken(Outcome.Step(reach.Slots.Count));
    }

    private static Outcome Month(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!AuditMonth.TryParse(text, out AuditMonth month))
        {
            Unless(month == default, "what is refused gives nothing");
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        Unless(month.ToString() == text, "what parses is written again");
        Unless(AuditMonth.Of(month.Begin) == month && AuditMonth.Of(month.End.AddTicks(-1)) == month && AuditMonth.Of(month.End) != month, "it is the time between its ends");
        return Outcome.Taken(Outcome.Step(month.Number % 100));
    }

    private static Outcome OneTimeCode(byte[] input)
    {
        if (!OneTimePassword.TryParse(input, out int code))
        {
            Unless(code == 0, "what is refused gives nothing");
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, Encoding.ASCII.GetBytes(code.ToString("D6", System.Globalization.CultureInfo.InvariantCulture)), "what parses is written again");
        return Outcome.Taken(Outcome.Step(code));
    }

    private static Outcome Name(byte[] input)
    {
        bool fromBytes = KeyName.TryParse(input.AsSpan(), out KeyName name);
        string text = Encoding.UTF8.GetString(input);
        bool fromText = KeyName.TryParse(text, out KeyName same);
        Unless(fromBytes == fromText && name == same, "bytes and text are judged alike");
        Unless(!fromBytes || name.Value == text, "what parses is the same text");
        Unless(fromBytes == Raises(() => KeyName.Require(text, "name")) is null, "what is required is what parses");
        return fromBytes ? Outcome.Taken(text.Count('/')) : Outcome.Refused(Outcome.Step(input.Length));
    }

    private static Refusal? Raises(Func<KeyName> action)
    {
        try
        {
            action();
            return null;
        }
        catch (Refusal refusal)
        {
            return refusal;
        }
    }

    private static Outcome Pattern(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!KeyPattern.TryParse(text, out KeyPattern pattern))
        {
            return Outcome.Refused(Outcome.Step(text.Length));
        }
        Unless(pattern.Text == text, "what parses is the same text");
        bool isGroup = text.EndsWith("/*", StringComparison.Ordinal);
        Unless(pattern.Covers("other/name") == text is "*" or "other/*" or "other/name", "a pattern covers what it names and nothing else");
        Unless(!isGroup || (pattern.Covers(text[..^1] + "x") && !pattern.Covers(text[..^2])), "a group covers what begins with it, and not its own name");
        return Outcome.Taken((isGroup ? 16 : 0) + text.Count('/'));
    }

    private static Outcome Place(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!KeyVersionPlace.TryParse(text, out KeyVersionPlace place))
        {
            return Outcome.Refused(text.Count('.'));
        }
        Unless(place.ToString() == text, "what parses formats to the same text");
        return Outcome.Taken((place.Id < 0 ? 1 : 0) + (place.CreatedAt < 0 ? 2 : 0));
    }

    private static Outcome PageToken(byte[] input)
    {
        string token = Encoding.UTF8.GetString(input);
        string? cursor = Tokens.OpenAsync("ListKeys", "ehr/", token, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        if (cursor is null)
        {
            return Outcome.Refused(token.Length % 4);
        }
        Unless(Seal("ehr/", cursor) == token, "a token that opens is the one that was made");
        return Outcome.Taken(Outcome.Step(cursor.Length));
    }

    private static string Seal(string filter, string cursor) => Tokens.SealAsync("ListKeys", filter, cursor, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    private static IEnumerable<(string Name, byte[] Input)> PageTokenSeeds()
    {
        foreach (string cursor in new[] { "", "e", "eh", "ehr/one", "1795310000000000000.-42" })
        {
            yield return ($"{cursor.Length}", Encoding.UTF8.GetBytes(Seal("ehr/", cursor)));
        }
        yield return ("other-filter", Encoding.UTF8.GetBytes(Seal("other/", "ehr/one")));
        yield return ("padded", Encoding.UTF8.GetBytes(Seal("ehr/", "") + "=="));
    }

    private static Outcome Granted(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (!GrantText.TryParse(text, out GrantText granted, out string unknown))
        {
            Unless(unknown.Length > 0, "a refusal names what it does not know");
            return Outcome.Refused();
        }
        Unless(granted.ToString() == text, "what is taken is written back as it was");
        Unless(granted.Terms is null || !granted.Terms.IsPlain, "plain terms have no form");
        return Outcome.Taken((granted.Permissions.Count * 4) + granted.Roles.Count);
    }

    private static Outcome PermissionName(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        bool known = Permissions.TryParse(text, out Permission permission);
        Unless(!known || KebabName.Of(permission.ToString()) == text, "what parses is the permission's one name");
        return known ? Outcome.Taken((int)permission) : Outcome.Refused();
    }

    private static Outcome OneCredential(byte[] input)
    {
        string text = Encoding.UTF8.GetString(input);
        bool isUri = Credential.TryOfSanUri(text, out Credential uri);
        Unless(!isUri || uri.Value == text, "a URI is compared as it is");
        bool isKey = Credential.TryOfPublicKeySha256(text, out Credential key);
        Unless(!isKey || (Credential.TryOfPublicKeySha256(key.Value, out Credential again) && again == key), "a hash in its one form parses to itself");
        return isUri || isKey ? Outcome.Taken((isUri ? 1 : 0) + (isKey ? 2 : 0)) : Outcome.Refused(Outcome.Step(text.Length));
    }
}
