using System.Text.Json;

namespace KeyService.Server.Hosting;

/// <summary>
/// One JSON object of the configuration, read key by key. What is asked for becomes known; what is left over is refused by
/// name. Findings are collected, so that one run shows them all.
/// </summary>
internal sealed class ConfigurationSection
{
    private readonly string _path;
    private readonly string _baseDirectory;
    private readonly List<string> _findings;
    private readonly Dictionary<string, JsonElement> _values = new(StringComparer.Ordinal);
    private readonly List<string> _known = [];
    private readonly List<string>? _asked;

    /// <param name="path">Name of the section; empty for the whole file.</param>
    /// <param name="json">Its value.</param>
    /// <param name="baseDirectory">Relative paths count from there.</param>
    /// <param name="findings">What is wrong is added here.</param>
    /// <param name="asked">Every key that is asked for is added here.</param>
    public ConfigurationSection(string path, JsonElement json, string baseDirectory, List<string> findings, List<string>? asked = null)
    {
        _asked = asked;
        _path = path;
        _baseDirectory = baseDirectory;
        _findings = findings;
        if (json.ValueKind != JsonValueKind.Object)
        {
            findings.Add($"{(path.Length == 0 ? "The file" : $"\"{path}\"")} must be a JSON object.");
            return;
        }
        foreach (var property in json.EnumerateObject())
        {
            if (TextOrNull(() => property.Name) is not { } name)
                findings.Add($"A key of {(path.Length == 0 ? "the file" : $"\"{path}\"")} holds half a character (a lone surrogate).");
            else if (!_values.TryAdd(name, property.Value))
                findings.Add($"\"{Full(name)}\" stands there twice.");
        }
    }

    /// <summary>True when the key stands there and is not null.</summary>
    public bool Has(string key) => _values.TryGetValue(key, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>The section of that name; an empty one when it is absent.</summary>
    public ConfigurationSection Section(string key)
    {
        var value = Take(key);
        return new ConfigurationSection(Full(key), value ?? JsonDocument.Parse("{}").RootElement, _baseDirectory, _findings, _asked);
    }

    /// <summary>A list of objects, each read as a section; empty when it is absent.</summary>
    public IReadOnlyList<ConfigurationSection> Sections(string key)
    {
        if (Take(key) is not { } value)
            return [];
        if (value.ValueKind == JsonValueKind.Array)
            return [.. value.EnumerateArray().Select((item, index) => new ConfigurationSection($"{Full(key)}[{index}]", item, _baseDirectory, _findings, _asked))];
        Find(key, "must be a list of objects, [{ … }, { … }]");
        return [];
    }

    public string? Text(string key)
    {
        if (Take(key) is not { } value)
            return null;
        if (value.ValueKind == JsonValueKind.String && TextOrNull(value.GetString) is { Length: > 0 } text)
            return text;
        Find(key, "must be a text that is not empty");
        return null;
    }

    public string RequiredText(string key)
    {
        if (!Has(key))
            Find(key, "is missing");
        return Text(key) ?? "";
    }

    /// <summary>A path, made absolute from the configuration file's directory.</summary>
    public string? File(string key) => Text(key) is { } path ? Absolute(key, path) : null;

    /// <inheritdoc cref="File"/>
    public string RequiredFile(string key) => RequiredText(key) is { Length: > 0 } path ? Absolute(key, path) ?? "" : "";

    /// <summary>One path or a list of them, as <see cref="File"/>; empty when it is absent.</summary>
    public IReadOnlyList<string> Files(string key)
    {
        if (!_values.TryGetValue(key, out var value) || value.ValueKind != JsonValueKind.Array)
            return File(key) is { } one ? [one] : [];
        Know(key);
        var paths = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.String && TextOrNull(item.GetString) is { Length: > 0 } path && Absolute(key, path) is { } absolute)
            {
                paths.Add(absolute);
                continue;
            }
            Find(key, "must be a path or a list of paths");
            return [];
        }
        return paths;
    }

    /// <summary>A URL that things are posted to: https, or http on a loopback address; without a user name.</summary>
    public Uri? Url(string key)
    {
        if (Text(key) is not { } text)
            return null;
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == "https" || url.Scheme == "http" && url.IsLoopback) && url.UserInfo.Length == 0)
            return url;
        Find(key, "must be a URL that begins with https:// (http:// on a loopback address only), without a user name");
        return null;
    }

    /// <summary>A list of texts; empty when it is absent.</summary>
    public IReadOnlyList<string> Texts(string key)
    {
        if (Take(key) is not { } value)
            return [];
        if (value.ValueKind == JsonValueKind.Array
            && value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String ? TextOrNull(item.GetString) : null).ToList() is var texts && !texts.Contains(null))
            return texts!;
        Find(key, "must be a list of texts");
        return [];
    }

    public int Whole(string key, int least, int most, int otherwise)
    {
        if (Take(key) is not { } value)
            return otherwise;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most)
            return number;
        Find(key, $"must be a whole number from {least} to {most}");
        return otherwise;
    }

    public int? OptionalWhole(string key, int least, int most) => Has(key) ? Whole(key, least, most, least) : TakeNothing(key);

    public double Ratio(string key, double otherwise)
    {
        if (Take(key) is not { } value)
            return otherwise;
        if (value.ValueKind == JsonValueKind.Number && value.GetDouble() is >= 0 and <= 1 and var ratio)
            return ratio;
        Find(key, "must be a number from 0 to 1");
        return otherwise;
    }

    /// <summary>One of a few words.</summary>
    public T Choice<T>(string key, T otherwise, params (string Word, T Value)[] words)
    {
        if (Text(key) is not { } given)
            return otherwise;
        foreach (var (word, value) in words)
        {
            if (word == given)
                return value;
        }
        Find(key, $"must be one of {string.Join(", ", words.Select(word => $"\"{word.Word}\""))}");
        return otherwise;
    }

    /// <summary>Records that a key breaks its rule.</summary>
    public void Find(string key, string rule) => _findings.Add($"\"{Full(key)}\" {rule}.");

    /// <summary>Keys that are known and not asked for now.</summary>
    public void Know(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
            Know(key);
    }

    /// <summary>Refuses what nobody asked for.</summary>
    public void Finish()
    {
        foreach (var unknown in _values.Keys.Except(_known))
        {
            var hint = NearestName.Of(unknown, _known) is { } near ? $"did you mean \"{Full(near)}\"?"
                : $"known are {string.Join(", ", _known)}.";
            _findings.Add($"\"{Full(unknown)}\" is not a key of this configuration: {hint}");
        }
    }

    private string? Absolute(string key, string path)
    {
        if (!path.Contains('\0', StringComparison.Ordinal))
            return Path.GetFullPath(path, _baseDirectory);
        Find(key, "must be a path, which cannot hold U+0000");
        return null;
    }

    // "\ud800" is JSON and no text: the reader lets it pass and throws when it is asked for.
    private static string? TextOrNull(Func<string?> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private JsonElement? Take(string key)
    {
        Know(key);
        return Has(key) ? _values[key] : null;
    }

    private int? TakeNothing(string key)
    {
        Know(key);
        return null;
    }

    private void Know(string key)
    {
        _known.Add(key);
        _asked?.Add(Full(key));
    }

    private string Full(string key) => _path.Length == 0 ? key : $"{_path}.{key}";
}
