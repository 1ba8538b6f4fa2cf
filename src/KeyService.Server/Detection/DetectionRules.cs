using KeyService.Server.Access;

namespace KeyService.Server.Detection;

/// <summary>Names of the rules, and what their findings deserve.</summary>
internal static class DetectionRules
{
    /// <summary>For example "failed-logins"; "rule-N" for a number of a newer version.</summary>
    public static string NameOf(DetectionRule rule) => Enum.IsDefined(rule) ? KebabName.Of(rule.ToString()) : $"rule-{(int)rule}";

    public static bool TryParse(string name, out DetectionRule rule)
    {
        rule = Array.Find(Enum.GetValues<DetectionRule>(), each => NameOf(each) == name);
        return rule != 0;
    }

    /// <summary>Whether somebody is told at once. Administration is everyday work: it is looked at in the review.</summary>
    public static bool Alarms(DetectionRule rule) => rule != DetectionRule.AdministrativePrivilege;
}
