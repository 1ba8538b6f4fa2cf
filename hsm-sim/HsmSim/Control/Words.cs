using System.Globalization;
using System.IO.Enumeration;
using HsmSim.Functions;

namespace HsmSim.Control;

/// <summary>The words of one line, taken one by one; what is wrong with them is said in terms of the line.</summary>
internal sealed class Words(string line)
{
    private static readonly (string Unit, double Seconds)[] Units = [("us", 1e-6), ("ms", 1e-3), ("s", 1)];
    private readonly Queue<string> rest = new(line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries));

    internal bool IsEmpty => rest.Count == 0;

    internal string Next(string what) => rest.TryDequeue(out var word) ? word : throw new ControlException($"{what} is missing");

    internal long Number(string what, long least)
    {
        var word = Next(what);
        return long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least
            ? value
            : throw new ControlException($"'{word}' is no {what} (a whole number from {least})");
    }

    internal double Fraction(string what, double greatest)
    {
        var word = Next(what);
        return double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value >= 0 && value <= greatest
            ? value
            : throw new ControlException($"'{word}' is no {what} (0 to {greatest.ToString(CultureInfo.InvariantCulture)})");
    }

    /// <summary>A time with its unit: 250us, 1.5ms, 2s. In seconds.</summary>
    internal double Time(string what)
    {
        var word = Next(what);
        foreach (var (unit, seconds) in Units)
        {
            if (word.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(word.AsSpan(0, word.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value))
            {
                return value * seconds;
            }
        }
        throw new ControlException($"'{word}' is no {what} (a time such as 250us, 1.5ms, 2s)");
    }

    internal nuint Code()
    {
        var word = Next("return code");
        return ReturnCode.TryParse(word, out var code) ? code : throw new ControlException($"'{word}' is no return code (CKR_DEVICE_ERROR, 0x30)");
    }

    /// <summary>A function's name, in which * stands for any characters.</summary>
    internal IReadOnlyList<Function> Functions()
    {
        var pattern = Next("function");
        List<Function> matches =
            [.. Enum.GetValues<Function>().Where(function => FileSystemName.MatchesSimpleExpression(pattern, function.ToString(), ignoreCase: false))];
        return matches.Count > 0 ? matches : throw new ControlException($"no function of PKCS#11 v2.40 is called '{pattern}'");
    }
}
