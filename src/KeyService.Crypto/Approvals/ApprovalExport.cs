using System.Globalization;
using System.Text;

namespace KeyService.Crypto.Approvals;

/// <summary>
/// Everything that shows whether a request was granted, in one file: all rosters from the first on, the request, the approvals.
/// docs/spec/approvals.md. Nothing of it is verified by reading it.
/// </summary>
public sealed record ApprovalExport(IReadOnlyList<SignedRoster> Rosters, ApprovalRequest Request, IReadOnlyList<Approval> Approvals)
{
    /// <summary>Bytes at most.</summary>
    public const int MaxLength = 1 << 24;

    /// <summary>Approvals at most: every officer twice, and room for what does not count.</summary>
    public const int MaxApprovals = 256;

    /// <summary>The file's bytes.</summary>
    public byte[] ToArray()
    {
        using var file = new MemoryStream();
        file.Write("keyservice/approval-export/v1\n"u8);
        foreach (SignedRoster roster in Rosters)
        {
            Write(file, "roster", roster.ToArray());
        }
        Write(file, "request", Request.ToArray());
        foreach (Approval approval in Approvals)
        {
            Write(file, "approval", approval.ToArray());
        }
        return file.ToArray();
    }

    /// <summary>False for every file that <see cref="ToArray"/> does not write.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out ApprovalExport? export)
    {
        export = null;
        ReadOnlySpan<byte> firstLine = "keyservice/approval-export/v1\n"u8;
        if (bytes.Length > MaxLength || !bytes.StartsWith(firstLine))
        {
            return false;
        }
        var rosters = new List<SignedRoster>();
        var approvals = new List<Approval>();
        ApprovalRequest? request = null;
        for (ReadOnlySpan<byte> rest = bytes[firstLine.Length..]; !rest.IsEmpty;)
        {
            if (!TryPart(ref rest, out string kind, out ReadOnlySpan<byte> part))
            {
                return false;
            }
            bool taken = kind switch
            {
                "roster" => request is null && SignedRoster.TryParse(part, out SignedRoster? roster) && Add(rosters, roster!),
                "request" => request is null && rosters.Count > 0 && ApprovalRequest.TryParse(part, out request),
                "approval" => request is not null && approvals.Count < MaxApprovals && Approval.TryParse(part, out Approval? approval)
                && Add(approvals, approval!),
                _ => false,
            };
            if (!taken)
            {
                return false;
            }
        }
        export = request is null ? null : new ApprovalExport(rosters, request, approvals);
        return export is not null;
    }

    // "kind length\n" and so many bytes.
    private static bool TryPart(ref ReadOnlySpan<byte> rest, out string kind, out ReadOnlySpan<byte> part)
    {
        kind = "";
        part = default;
        int end = rest.IndexOf((byte)'\n');
        string[] words = end is > 0 and < 32 ? Encoding.ASCII.GetString(rest[..end]).Split(' ') : [];
        if (words.Length != 2 || !int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out int length)
            || length.ToString(CultureInfo.InvariantCulture) != words[1]
            || rest.Length - end - 1 < length)
        {
            return false;
        }
        kind = words[0];
        part = rest.Slice(end + 1, length);
        rest = rest[(end + 1 + length)..];
        return true;
    }

    private static bool Add<T>(List<T> list, T item)
    {
        list.Add(item);
        return true;
    }

    private static void Write(MemoryStream file, string kind, byte[] bytes)
    {
        file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{kind} {bytes.Length}\n")));
        file.Write(bytes);
    }
}
