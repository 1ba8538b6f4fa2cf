namespace KeyService.Crypto.Approvals;

/// <summary>Names of requesters and officers: those of principals.</summary>
public static class ApprovalName
{
    /// <summary>Characters at most.</summary>
    public const int MaxLength = 64;

    /// <summary>1 to 64 characters of [a-z0-9._-], beginning with a letter or digit.</summary>
    public static bool IsName(string name) => name.Length is > 0 and <= MaxLength && name[0] is not ('.' or '_' or '-')
        && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '_' or '-');
}
