using KeyService.Crypto.Approvals;
using KeyService.Fuzz.Engine;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>What officers and auditors get from somebody: requests, approvals, rosters, exports of the three.</summary>
internal static class ApprovalTargets
{
    private delegate bool Parse(ReadOnlySpan<byte> input, out byte[] again, out int kind);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("approval-request", [typeof(ApprovalRequest), typeof(RequestParameter), typeof(DocumentLines)], input => Run(input, Request))
        {
            MaxLength = 4096, Verdict = input => VerdictOf(input, Request), Words = [[0x0A], [0x5C, 0x5C], "\\u{"u8.ToArray(), "}"u8.ToArray(), " "u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("approvals", "encoded", "requests", "notRequests"),
        },
        new("approval", [typeof(Approval)], input => Run(input, One))
        {
            MaxLength = 1024, Verdict = input => VerdictOf(input, One), Words = [[0x0A], "approve"u8.ToArray(), "reject"u8.ToArray()], Seeds = () => VectorSeeds.Hex("approvals", "encoded", "approvals", "notApprovals"),
        },
        new("officer-roster", [typeof(SignedRoster), typeof(Roster)], input => Run(input, Officers))
        {
            MaxLength = 4096, Verdict = input => VerdictOf(input, Officers), Words = [[0x0A], "none"u8.ToArray(), "accepts "u8.ToArray(), "appoints "u8.ToArray()],
            Seeds = () => VectorSeeds.Hex("approvals", "encoded", "rosters", "notRosters"),
        },
        new("approval-export", [typeof(ApprovalExport)], input => Run(input, Export))
        {
            MaxLength = 8192, Verdict = input => VerdictOf(input, Export), Words = ["roster "u8.ToArray(), "request "u8.ToArray(), "approval "u8.ToArray(), [0x0A]],
            Seeds = () => VectorSeeds.Hex("approvals", "encoded", "exports", "notExports"),
        },
    ];

    private static Outcome Run(byte[] input, Parse parse)
    {
        if (!parse(input, out byte[] again, out int kind))
        {
            return Outcome.Refused(Outcome.Step(input.Length));
        }
        UnlessSame(input, again, "what parses is written again byte for byte");
        return Outcome.Taken(kind);
    }

    private static string VerdictOf(byte[] input, Parse parse) => parse(input, out byte[] again, out _) ? $"ok {Convert.ToHexStringLower(again)}" : "no";

    private static bool Request(ReadOnlySpan<byte> input, out byte[] again, out int kind)
    {
        bool parsed = ApprovalRequest.TryParse(input, out ApprovalRequest? request);
        (again, kind) = (request?.ToArray() ?? [], Outcome.Step(request?.Parameters.Count ?? 0));
        return parsed;
    }

    private static bool One(ReadOnlySpan<byte> input, out byte[] again, out int kind)
    {
        bool parsed = Approval.TryParse(input, out Approval? approval);
        (again, kind) = (approval?.ToArray() ?? [], (int)(approval?.Decision ?? 0));
        return parsed;
    }

    private static bool Officers(ReadOnlySpan<byte> input, out byte[] again, out int kind)
    {
        bool parsed = SignedRoster.TryParse(input, out SignedRoster? signed);
        (again, kind) = (signed?.ToArray() ?? [], Outcome.Step(signed?.Signatures.Count ?? 0));
        return parsed;
    }

    private static bool Export(ReadOnlySpan<byte> input, out byte[] again, out int kind)
    {
        bool parsed = ApprovalExport.TryParse(input, out ApprovalExport? export);
        (again, kind) = (export?.ToArray() ?? [], 0);
        if (parsed && RosterChain.Verify(export!.Rosters, out _, out _) is { } chain)
        {
            kind = 1 + (int)ApprovalVerdict.Of(export.Request, chain, export.Approvals).Finding;
        }
        else if (parsed)
        {
            kind = 16 + (int)RosterFinding.Missing;
        }
        return parsed;
    }
}
