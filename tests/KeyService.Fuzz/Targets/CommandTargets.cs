using System.Text;
using System.Text.Json;
using KeyService.Cli.Access;
using KeyService.Cli.Archives;
using KeyService.Cli.CommandLine;
using KeyService.Cli.DataKeys;
using KeyService.Cli.Doctor;
using KeyService.Cli.Fields;
using KeyService.Crypto;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What the command reads from arguments, standard input and the server's doctor.</summary>
internal static class CommandTargets
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch.AddYears(57);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("personnel-roster", [typeof(PersonnelRoster)], Roster)
        {
            MaxLength = 2000, Words = ["principal,manager,left\n"u8.ToArray(), "\r\n"u8.ToArray(), "\"\""u8.ToArray(), ","u8.ToArray(), "2027-01-31"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                "principal,manager,left\nada,carol,\nbob,,2027-01-31\r\n\"eve\",\"carol\",2027-01-31T17:00:00Z\n", "principal,manager,left\n", "", "name\n",
                "principal,manager,left\nada,carol,\nada,carol,\n", "principal,manager,left\n\"a\"b,,\n"),
        },
        new("context-pairs", [typeof(ContextPairs)], Pairs)
        {
            MaxLength = 6000, Words = ["="u8.ToArray(), [0], "tenant="u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("tenant=st-mary\0table=labs", "a=", "=a", "a", "a=b=c", "a=1\0a=2", ""),
        },
        new("wrapped-key-input", [typeof(WrappedKeyInput)], WrappedKey)
        {
            MaxLength = 4096, Words = ["="u8.ToArray(), "\n"u8.ToArray(), " "u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("wrapped-data-key", "wrapped", "positive")
                .SelectMany(seed => new[] { seed, (seed.Name + "-base64", Encoding.ASCII.GetBytes($" {Convert.ToBase64String(seed.Input)}\n")) }),
        },
        new("token-input", [typeof(FieldCommands)], Token)
        {
            MaxLength = 4096, Words = ["ks1."u8.ToArray(), "\n"u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("field-token", "token", "positive").Concat(VectorSeeds.Text("field-token", "text", "positive").Select(seed => (seed.Name + "-text", seed.Input)))
                .Where(seed => seed.Item2.Length < 1024),
        },
        new("end-of-grant", [typeof(GrantCommands)], End)
        {
            MaxLength = 64, Words = ["d"u8.ToArray(), "h"u8.ToArray(), "Z"u8.ToArray(), "+14:00"u8.ToArray(), "9999"u8.ToArray(), "0001"u8.ToArray()], AllocatedPerByte = 512,
            Seeds = () => VectorSeeds.Texts("30d", "12h", "99999d", "2027-01-31T00:00:00Z", "0d", "100000d", "9999-12-31T23:59:59-14:00", "0001-01-01", ""),
        },
        new("byte-range", [typeof(ByteRange)], Range)
        {
            MaxLength = 64, Words = ["-"u8.ToArray(), "+"u8.ToArray(), "9223372036854775807"u8.ToArray(), "9223372036854775806"u8.ToArray(), "0"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts("0-499", "500-", "-500", "16384+1", "1-0", "-", "9223372036854775806+9223372036854775806", "0-9223372036854775806", "+5", ""),
        },
        new("doctor-report", [typeof(ServerDoctor)], Doctor)
        {
            AllocatedAtMost = 1 << 20, AllocatedPerByte = 512, Words = ["\"findings\""u8.ToArray(), "[]"u8.ToArray(), "null"u8.ToArray(), "\\ud800"u8.ToArray()],
            Seeds = () => VectorSeeds.Texts(
                """{ "findings": [ { "check": "hsm", "state": "ok", "message": "The token answers.", "fix": "" } ] }""", """{ "findings": [] }""", """{ "findings": {} }""", "{}", "[]", "",
                """{ "findings": [ { "check": "\ud800", "state": null, "message": "", "fix": "" } ] }"""),
        },
    ];

    // Arguments cannot hold U+0000: it parts them here.
    private static Outcome Pairs(byte[] input)
    {
        try
        {
            EncryptionContext context = ContextPairs.Parse(Encoding.UTF8.GetString(input).Split('\0'));
            Unless(ContextPairs.Parse(context.Pairs.Select(pair => $"{pair.Key}={pair.Value}")).Equals(context) || context.Pairs.Any(pair => pair.Key.Contains('=', StringComparison.Ordinal)),
                "pairs written again are the same context");
            return Outcome.Taken(context.Pairs.Count);
        }
        catch (Exception e) when (e is CliError or InvalidContextException)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome WrappedKey(byte[] input)
    {
        if (WrappedKeyInput.TryParse(input) is not { } key)
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        Unless(WrappedDataKey.TryParse(key, out _), "what is taken is a wrapped data key");
        string text = Convert.ToBase64String(key);
        Unless(input.AsSpan().SequenceEqual(key) || string.Concat(Encoding.UTF8.GetString(input).Where(c => !char.IsWhiteSpace(c))) == text, "it is the bytes or their one base64");
        return Outcome.Taken(input.Length == key.Length ? 1 : 2);
    }

    private static Outcome Token(byte[] input)
    {
        if (FieldCommands.TryParse(input) is not { } token)
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        Unless(input.AsSpan().SequenceEqual(token) || Encoding.UTF8.GetString(input).Trim() == FieldTokenText.Format(token), "it is the bytes or their one text form");
        return Outcome.Taken(input.Length == token.Length ? 1 : 2);
    }

    private static Outcome End(byte[] input)
    {
        try
        {
            return Outcome.Taken(GrantCommands.ParseEnd(Encoding.UTF8.GetString(input), Now).CompareTo(Now));
        }
        catch (CliError e)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome Range(byte[] input)
    {
        try
        {
            ByteRange range = ByteRange.Parse(Encoding.UTF8.GetString(input));
            foreach (long content in new[] { 1, 16_384, long.MaxValue })
            {
                (long start, long length) = range.Within(content);
                Unless(start >= 0 && length >= 0 && start <= content - length, "a range lies inside the content");
            }
            return Outcome.Taken(input.Length);
        }
        catch (CliError e)
        {
            return Outcome.Refused(e);
        }
    }

    private static Outcome Roster(byte[] input)
    {
        if (!PersonnelRoster.TryParse(input, out var entries, out string problem))
        {
            Unless(problem.StartsWith("line ", StringComparison.Ordinal), "a refusal names its line");
            return Outcome.Refused();
        }
        string again = "principal,manager,left\n" + string.Concat(entries.Select(entry => $"{entry.Principal},{entry.Manager},{entry.LeftTime?.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}\n"));
        Unless(PersonnelRoster.TryParse(Encoding.UTF8.GetBytes(again), out var same, out _) && same.SequenceEqual(entries), "what is read is read again from what it says");
        return Outcome.Taken(entries.Count);
    }

    private static Outcome Doctor(byte[] input)
    {
        try
        {
            return Outcome.Taken(Outcome.Step(ServerDoctor.Read(Encoding.UTF8.GetString(input)).Count));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // The three that its caller turns into a finding.
            return Outcome.Refused(e);
        }
    }
}
