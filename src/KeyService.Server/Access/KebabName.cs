using System.Text;

namespace KeyService.Server.Access;

/// <summary>Wire names of enum members: <c>GenerateDataKey</c> is "generate-data-key".</summary>
internal static class KebabName
{
    public static string Of(string pascalCase)
    {
        var name = new StringBuilder(pascalCase.Length + 4);
        foreach (var c in pascalCase)
        {
            if (char.IsAsciiLetterUpper(c) && name.Length > 0)
            {
                name.Append('-');
            }

            name.Append(char.ToLowerInvariant(c));
        }

        return name.ToString();
    }
}
